//! Command line: flags, what is printed on the terminal, exit codes.
