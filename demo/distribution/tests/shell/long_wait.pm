# A screen check that takes long. Skip its timeout and it fails at once; with "pause on screen
# mismatch" it pauses then, and on resume waits anew.

use Mojo::Base 'grubshelltest', -signatures;
use testapi;

sub run ($self) {
    my $seconds = get_var('LONG_WAIT', 20);
    type_string "long_wait $seconds\n";
    assert_screen 'long-wait-over', $seconds + 40;
}

1;
