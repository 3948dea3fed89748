# A screen mismatch: nobody has made a needle with this tag yet, so the module fails.
#
# With "pause on screen mismatch" the job pauses instead. Put a needle with the tag
# needle-to-be-made into the folder needles/ of the pool directory, resume, and the same
# assert_screen runs again and finds it.

use Mojo::Base 'grubbasetest', -signatures;
use testapi;

sub run ($self) {
    assert_screen 'needle-to-be-made', get_var('MISMATCH_TIMEOUT', 10);
}

1;
