# As much of a GRUB as the test modules need, without a machine: keys in, texts out.
#
# It stands in for the guest where there is no QEMU (BACKEND=null), and follows guest/grub.cfg.

package toygrub;
use Mojo::Base -base, -signatures;
use List::Util 'max';
use POSIX 'ceil';
use Time::HiRes 'time';

use constant HEIGHT => 25;

# What the serial line gets is handed to this function.
has 'serial';

# Where it is: menu, entry (a text that waits for ENTER), prompt or off.
has place => 'menu';
has selected => 0;

# The lines of the screen, unless it shows the menu, and what is being typed in the last one.
has lines => sub { [''] };
has typed => '';
has exit_code => 0;

# The end of a long_wait.
has 'waits_until';

my @ENTRIES = (
    sub ($self) { $self->_show_text('Greetings from the SUT.') },
    sub ($self) { $self->_show_text('The firmware of the SUT is pc.') },
    sub ($self) { $self->place('off') },
);

my %KEYS_OF_MENU = (
    c => sub ($self) { $self->_open_prompt },
    down => sub ($self) { $self->_select($self->selected + 1) },
    home => sub ($self) { $self->_select(0) },
    ret => sub ($self) { $ENTRIES[$self->selected]->($self) },
    up => sub ($self) { $self->_select($self->selected - 1) },
);

my %KEYS_OF_ENTRY = (ret => sub ($self) { $self->_open_menu });

my %KEYS_OF_PROMPT = (
    esc => sub ($self) { $self->_open_menu },
    ret => sub ($self) { $self->_enter },
);

my %KEYS = (menu => \%KEYS_OF_MENU, entry => \%KEYS_OF_ENTRY, prompt => \%KEYS_OF_PROMPT, off => {});

my %CHARACTERS = (minus => '-', spc => ' ');

my %COMMANDS = (
    clear => sub ($self) { $self->_clear; 0 },
    echo => sub ($self, @words) { $self->_say("@words"); 0 },
    false => sub ($self) { 1 },
    halt => sub ($self) { $self->place('off'); 0 },
    long_wait => sub ($self, $seconds) { $self->_start_long_wait($seconds); 0 },
    true => sub ($self) { 0 },
);

# One key, named as in send_key.
sub press ($self, $key) {
    $self->pass_time;
    if ($self->waits_until) {
        $self->_end_long_wait if $key eq 'esc';
        return;
    }
    if (my $action = $KEYS{$self->place}{$key}) {
        $action->($self);
        return;
    }
    my $character = $CHARACTERS{$key} // $key;
    $self->_type($character) if $self->place eq 'prompt' && length $character == 1;
}

# To be called now and then: things also happen without a key.
sub pass_time ($self) {
    return unless $self->waits_until;
    my $left = $self->waits_until - time;
    $left > 0 ? $self->lines->[-1] = ceil($left) : $self->_end_long_wait;
}

sub _select ($self, $entry) {
    $self->selected($entry) if $entry >= 0 && $entry <= $#ENTRIES;
}

sub _open_menu ($self) {
    $self->place('menu')->selected(0);
    $self->serial->("\e[H\e[J\e[2;24HGNU GRUB  version 2.06\n\r");
}

sub _show_text ($self, $text) {
    $self->_clear;
    $self->_say($text);
    $self->_say('ENTER leads back to the menu.');
    $self->place('entry');
}

sub _open_prompt ($self) {
    $self->place('prompt');
    $self->_clear;
    $self->_say($_) for (
        '', (' ' x 23) . 'GNU GRUB  version 2.06', '',
        '   Minimal BASH-like line editing is supported. For the first word, TAB',
        '   lists possible command completions. Anywhere else TAB lists possible',
        '   device or file completions. ESC at any time exits.', '', ''
    );
    $self->_prompt;
}

sub _prompt ($self) {
    $self->lines->[-1] = 'grub> ';
    $self->serial->('grub> ');
}

# The real one moves the cursor around each character, so a typed line never looks like an output.
sub _type ($self, $character) {
    $self->typed($self->typed . $character);
    $self->lines->[-1] .= $character;
    my ($row, $column) = (scalar @{$self->lines}, length $self->lines->[-1]);
    $self->serial->(sprintf "\e[%d;%dH%s\e[%d;%dH", $row, $column, $character, $row, $column + 1);
}

sub _enter ($self) {
    my $line = $self->typed;
    $self->typed('');
    $self->_break_line;
    $self->_run($_) for split /;/, $line;
    $self->_prompt if $self->place eq 'prompt' && !$self->waits_until;
}

sub _run ($self, $command) {
    my $exit_code = $self->exit_code;
    my ($name, @words) = map { s/\$\?/$exit_code/r } split ' ', $command;
    return unless defined $name;
    if (my $action = $COMMANDS{$name}) {
        $self->exit_code($action->($self, @words));
        return;
    }
    $self->_say("error: can't find command `$name'.");
    $self->exit_code(1);
}

sub _start_long_wait ($self, $seconds) {
    $self->_clear;
    $self->_say('A long wait has begun.');
    $self->waits_until(time + max($seconds, 0));
}

sub _end_long_wait ($self) {
    $self->waits_until(undef);
    $self->_clear;
    $self->_say('The long wait is over.');
    $self->_prompt;
}

sub _clear ($self) {
    $self->lines(['']);
    $self->serial->("\e[H\e[J");
}

sub _say ($self, $text) {
    $self->lines->[-1] .= $text;
    $self->serial->($text);
    $self->_break_line;
}

sub _break_line ($self) {
    push @{$self->lines}, '';
    shift @{$self->lines} if @{$self->lines} > HEIGHT;
    $self->serial->("\n\r");
}

1;
