# What a job consists of: the distribution, which knows how to talk to its system under test, and
# the test modules in the order in which they run.
#
# The variable SCHEDULE of os-autoinst replaces the order, e.g.
#   SCHEDULE=tests/boot/menu_visible,tests/shell/small_steps

use Mojo::Base -strict;
use autotest 'loadtest';
use grubdistribution;
use testapi ();

testapi::set_distribution(grubdistribution->new);

loadtest "tests/$_.pm" for qw(
  boot/menu_visible
  boot/choose_entry
  boot/optional_screen
  boot/missing_needle
  shell/command_line
  shell/small_steps
  shell/failing_command
  shell/broken_module
  shell/long_wait
  shell/power_off
);

1;
