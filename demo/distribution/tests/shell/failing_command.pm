# A failing function of the test API. With "pause on failure" the job pauses before the module
# dies of it, and a resume that ignores the failure goes on with the line after it.

use Mojo::Base 'grubshelltest', -signatures;
use testapi;

sub run ($self) {
    assert_script_run 'false', timeout => 10;
    record_info 'ignored', 'The failure was ignored, and the module goes on.';
    assert_script_run 'true', timeout => 10;
}

1;
