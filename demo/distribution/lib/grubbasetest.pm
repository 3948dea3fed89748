# The base of all test modules: whatever the module before has left, each begins at the menu.

package grubbasetest;
use Mojo::Base 'basetest', -signatures;
use testapi;

# os-autoinst calls this before run.
sub pre_run_hook ($self) {
    select_console 'sut';
    # Once per job. No key before that: it would go to the firmware.
    state $booted = assert_screen 'grub-menu', timeout => 60, no_wait => 1;
    # The first ESC may be needed to end a long_wait, the second leads from the command line to
    # the menu, and at the menu ESC does nothing.
    send_key 'esc';
    send_key 'esc';
    assert_screen 'grub-menu', no_wait => 1;
}

# Without this flag a failing module would be the job's last one.
sub test_flags ($self) { {fatal => 0} }

1;
