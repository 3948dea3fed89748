# How to talk to the SUT of this distribution: a GRUB with a command line.

package grubdistribution;
use Mojo::Base 'distribution', -signatures;
use testapi qw(check_var type_string wait_serial);

# Consoles are what keys go to and screens come from. The backend qemu brings one named sut, the
# VNC server of its virtual machine; the backend null has none, so it gets ours.
sub init ($self) {
    $self->add_console('sut', 'recordedgrub') if check_var('BACKEND', 'null');
}

# Behind script_run and assert_script_run: types a command and returns its exit code, or undef
# after the timeout. os-autoinst's own writes the code to a device file, which GRUB does not have;
# but all that GRUB shows goes to the serial line as well. There, the typed line ends in '$?' and
# only what it prints ends in digits.
sub script_run ($self, $command, @args) {
    my %args = testapi::compat_args({timeout => $bmwqemu::default_timeout, quiet => undef}, ['timeout'], @args);
    my $mark = 'exit-code-' . ++$self->{commands_run};
    type_string "$command; echo $mark-\$?\n";
    my $shown = wait_serial(qr/$mark-\d+/, timeout => $args{timeout}, quiet => $args{quiet});
    return $shown && $shown =~ /$mark-(\d+)/ ? $1 : undef;
}

1;
