# A long stretch of small commands, made for "pause on next command": step through it and see one
# more line of the staircase with every second step.

use Mojo::Base 'grubshelltest', -signatures;
use testapi;

sub run ($self) {
    for my $stair (1 .. get_var('STAIRS', 18)) {
        type_string 'echo ' . '#' x $stair;
        send_key 'ret';
    }
    save_screenshot;
}

1;
