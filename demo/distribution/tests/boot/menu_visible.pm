# The SUT shows its boot menu. Without it nothing else makes sense: a failure ends the job.

use Mojo::Base 'grubbasetest', -signatures;
use testapi;

sub run ($self) {
    assert_screen 'grub-menu', no_wait => 1;
}

sub test_flags ($self) { {fatal => 1} }

1;
