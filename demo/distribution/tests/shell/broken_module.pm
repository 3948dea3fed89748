# A module that dies. With "pause on failure" the job pauses; a resume that ignores the failure
# skips the post fail hook, but the rest of the module does not run: Perl has left it already.

use Mojo::Base 'grubshelltest', -signatures;
use testapi;

sub run ($self) {
    type_string "echo This module is going to fail\n";
    die "The SUT is <fine>, it is this module that's broken\n";
}

# os-autoinst calls this for every module that failed, to save what helps to find out why.
sub post_fail_hook ($self) {
    type_string "echo Saving what helps to find out why\n";
    save_screenshot;
}

1;
