# The command line takes commands, and what they print reaches the serial line.

use Mojo::Base 'grubshelltest', -signatures;
use testapi;

sub run ($self) {
    type_string "echo Hello, tester\n";
    wait_serial qr/[\r\n]Hello, tester/, timeout => 10 or die 'The SUT did not echo';
    assert_script_run 'true';
}

1;
