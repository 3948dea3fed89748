"""devmode: os-autoinst's developer mode as a web application of its own."""
