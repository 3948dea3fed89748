# A console of our own, for the backend null, which has no machine to look at.
#
# Keys go to a toygrub. What comes back as screen is painted from recordings of the real GRUB, so
# that the same needles match; what comes back as text is written to serial0, as QEMU would do.

package consoles::recordedgrub;
use Mojo::Base 'consoles::video_base', -signatures;
use Mojo::File qw(curfile path);
use Time::HiRes 'sleep';
use toygrub;

# The text mode of a PC in pixels, and where the recorded glyphs of it begin and break.
use constant {WIDTH => 9, HEIGHT => 16, COLUMNS => 80, ROWS => 25};
use constant {FIRST_GLYPH => 32, GLYPHS_PER_ROW => 48};

my $RECORDINGS = curfile->dirname->dirname->sibling('recordings');

# os-autoinst calls this in the backend's process when the console is selected for the first time.
sub activate ($self) {
    require tinycv;
    my $serial = path($self->backend->{serialfile})->open('>');
    $serial->autoflush(1);
    $self->{grub} = toygrub->new(serial => sub ($text) { $serial->print($text) });
    $self->{menus} = [map { tinycv::read($RECORDINGS->child("menu-$_.png")->to_string) } 0 .. 2];
    $self->{glyphs} = tinycv::read($RECORDINGS->child('glyphs.png')->to_string);
    $self->{painted} = '';
    return undef;
}

# os-autoinst asks for the screen several times a second.
sub current_screen ($self) {
    my $grub = $self->{grub};
    $grub->pass_time;
    return $self->{menus}[$grub->selected] if $grub->place eq 'menu';
    my $text = join "\n", @{$grub->lines};
    $self->{screen} = $self->_paint(@{$grub->lines}) unless $self->{screen} && $text eq $self->{painted};
    $self->{painted} = $text;
    return $self->{screen};
}

sub request_screen_update ($self, @) { $self->{grub}->pass_time }

sub send_key_event ($self, $key, $press_release_delay) {
    sleep $press_release_delay;
    $self->{grub}->press($key);
}

sub _paint ($self, @lines) {
    my $screen = tinycv::new(WIDTH * COLUMNS, HEIGHT * ROWS);
    for my $row (0 .. $#lines) {
        my @characters = split //, substr $lines[$row], 0, COLUMNS;
        $screen->blend($self->_glyph($characters[$_]), WIDTH * $_, HEIGHT * $row) for 0 .. $#characters;
    }
    return $screen;
}

sub _glyph ($self, $character) {
    return $self->{glyph}{$character} //= do {
        my $number = ord($character) - FIRST_GLYPH;
        $self->{glyphs}->copyrect(
            WIDTH * ($number % GLYPHS_PER_ROW), HEIGHT * int($number / GLYPHS_PER_ROW),
            WIDTH, HEIGHT
        );
    };
}

1;
