# An entry of the menu is selected, started and left again.

use Mojo::Base 'grubbasetest', -signatures;
use testapi;

sub run ($self) {
    send_key 'home';
    send_key 'down';
    assert_screen 'firmware-entry-selected';
    send_key 'ret';
    wait_serial qr/The firmware of the SUT is \w+/, timeout => 10 or die 'The SUT did not name its firmware';
    assert_screen 'firmware-named';
    send_key 'ret';
    assert_screen 'grub-menu';
}

1;
