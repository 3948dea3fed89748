# A screen that may appear and does not: check_screen looks for a while, and the module goes on.
#
# "Pause on screen mismatch" pauses here only if it is set to check_screen, which means both kinds.

use Mojo::Base 'grubbasetest', -signatures;
use testapi;

sub run ($self) {
    my $graphical = check_screen 'graphical-menu', get_var('CHECK_TIMEOUT', 4);
    record_info 'menu', $graphical ? 'The menu is graphical.' : 'The menu is plain text.';
}

1;
