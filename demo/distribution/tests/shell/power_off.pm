# The SUT powers itself off.

use Mojo::Base 'grubshelltest', -signatures;
use testapi;

sub run ($self) {
    type_string "halt\n";
    assert_shutdown 20;
}

1;
