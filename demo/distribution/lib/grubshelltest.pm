# The base of the test modules of the category shell: each begins at a fresh command line.

package grubshelltest;
use Mojo::Base 'grubbasetest', -signatures;
use testapi;

sub pre_run_hook ($self) {
    $self->SUPER::pre_run_hook;
    send_key 'c';
    assert_screen 'grub-command-line', no_wait => 1;
}

1;
