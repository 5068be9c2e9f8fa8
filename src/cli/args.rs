//! What was typed: flags and arguments, nothing opened, read or decided yet.
//!
//! The commands turn these into what they need. Help texts are here and only here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::Styles;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::infra::error::Error;
use crate::infra::nearest::nearest;

const EXAMPLES: &str = "\
Examples:
  wippy init                        start a project in this directory
  wippy run                         run its services until a signal
  wippy run -x app:cli              run one process, then exit with its code
  wippy run greet -- --name Ada     run a named command with arguments
  wippy -C ../shop run list         list the commands of another project";

/// Runs applications made of Lua processes.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "wippy",
    bin_name = "wippy",
    after_help = EXAMPLES,
    args_override_self = true,
    disable_version_flag = true,
    max_term_width = 100,
    styles = Styles::plain()
)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Read this configuration file; may be repeated, later files win [default: .wippy.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// Log at debug level
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Log at debug level, with stack traces
    #[arg(long, global = true)]
    pub very_verbose: bool,
    /// Log to stdout, in colour
    #[arg(short, long, global = true)]
    pub console: bool,
    /// Log nothing and print no banner
    #[arg(short, long, global = true)]
    pub silent: bool,
    /// Publish log records on the event bus
    #[arg(short, long, global = true)]
    pub event_streams: bool,
    /// Turn on the profiler, unless the configuration turns it off
    #[arg(short, long, global = true)]
    pub profiler: bool,
    /// Aim to use no more memory than this: 512M, 1G, or plain bytes
    #[arg(short, long, global = true, value_name = "SIZE")]
    pub memory_limit: Option<String>,
    /// Work in DIR, as if started there
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run an application, one of its commands, or one process
    Run(RunArgs),
    /// Create wippy.lock in this directory
    Init(InitArgs),
    /// Print the version
    Version(VersionArgs),
    /// Look at the entries of a project
    Registry(RegistryArgs),
    /// Check the Lua sources of a project
    Lint(LintArgs),
    /// Serve editors: a language server on stdin and stdout
    Lsp(LspArgs),
}

const RUN_HELP: &str = "\
Without an argument, the services of the project run until a signal. With one:

  list                  list the commands of the project
  NAME                  run the command NAME, exit with its code
  FILE.wapp             run a packed application
  ORG/MODULE[@VERSION]  run a module

Further arguments go to the process. Those that look like flags go after `--`.

Examples:
  wippy run                                  run the services
  wippy run -c -v                            the same, with a coloured debug log
  wippy run list                             list the commands
  wippy run greet Ada -- --loud              run a command with arguments
  wippy run -x app:cli                       run the process app:cli
  wippy run -x app:terminal/app:cli          the same, on a certain host
  wippy run -o app:gateway:addr=:9090        change a field of an entry
  wippy run --set logger.encoding=json       change a setting
  wippy run --profile dev --profile local    apply profiles";

#[derive(Clone, Debug, Default, Args)]
#[command(after_help = RUN_HELP, args_override_self = true)]
pub struct RunArgs {
    /// Run this process, or call this function, and exit when it ends
    #[arg(short = 'x', long, value_name = "[HOST/]NS:NAME")]
    pub exec: Option<String>,
    /// Run it on this terminal host [default: the only one there is]
    #[arg(long, value_name = "NS:NAME")]
    pub host: Option<String>,
    /// Use this many worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: Option<u16>,
    #[command(flatten)]
    pub overrides: OverrideArgs,
    /// Look for modules in this registry
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// What to run, and arguments for it
    #[arg(value_name = "ARGS")]
    pub args: Vec<String>,
}

/// Flags that change the entries or the configuration.
#[derive(Clone, Debug, Default, Args)]
pub struct OverrideArgs {
    /// Change a field of an entry; may be repeated, or list several with commas
    #[arg(short = 'o', long = "override", value_name = "NS:ENTRY:FIELD=VALUE")]
    pub overrides: Vec<String>,
    /// Change a setting; may be repeated
    #[arg(long = "set", value_name = "SECTION.PATH=VALUE")]
    pub sets: Vec<String>,
    /// Apply a profile of the configuration; may be repeated
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
}

const INIT_EXAMPLES: &str = "\
Examples:
  wippy init                 sources in ./src
  wippy init -d ./app        sources in ./app

An existing file is kept; only the directories that are given here change.";

#[derive(Clone, Debug, Default, Args)]
#[command(after_help = INIT_EXAMPLES, args_override_self = true)]
pub struct InitArgs {
    /// Where the sources are [default: ./src]
    #[arg(short = 'd', long, value_name = "DIR")]
    pub src_dir: Option<String>,
    /// Where modules are kept [default: .wippy]
    #[arg(long, value_name = "DIR")]
    pub modules_dir: Option<String>,
    /// The file to write
    #[arg(short = 'l', long, value_name = "FILE", default_value = "wippy.lock")]
    pub lock_file: PathBuf,
}

const VERSION_EXAMPLES: &str = "\
Examples:
  wippy version              the banner
  wippy version --short      the number alone, for scripts";

#[derive(Clone, Debug, Default, Args)]
#[command(after_help = VERSION_EXAMPLES, args_override_self = true)]
pub struct VersionArgs {
    /// Print the number alone
    #[arg(long)]
    pub short: bool,
}

#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct RegistryArgs {
    #[command(subcommand)]
    pub command: RegistryCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum RegistryCommand {
    /// List the entries, sorted by id
    List(RegistryListArgs),
    /// Show one entry
    Show(RegistryShowArgs),
}

const REGISTRY_LIST_EXAMPLES: &str = "\
Examples:
  wippy registry list -k 'process.*'                entries of some kinds
  wippy registry list -n app --meta 'stage=dev'     by namespace and metadata
  wippy registry list --json                        for programs

Metadata expressions: F=V equal, F~RE matches, F*S contains, F^P starts with, F$S ends with.";

#[derive(Clone, Debug, Default, Args)]
#[command(after_help = REGISTRY_LIST_EXAMPLES, args_override_self = true)]
pub struct RegistryListArgs {
    /// Only entries of these kinds
    #[arg(short = 'k', long, value_name = "GLOB")]
    pub kind: Option<String>,
    /// Only entries of these namespaces
    #[arg(short = 'n', long, value_name = "GLOB")]
    pub ns: Option<String>,
    /// Only entries with these names
    #[arg(long, value_name = "GLOB")]
    pub name: Option<String>,
    /// Only entries whose metadata fit; may be repeated
    #[arg(long, value_name = "EXPR")]
    pub meta: Vec<String>,
    #[command(flatten)]
    pub view: RegistryViewArgs,
}

const REGISTRY_SHOW_EXAMPLES: &str = "\
Examples:
  wippy registry show app:gateway                   all of the entry
  wippy registry show gateway --json                the name is enough if it is the only one
  wippy registry show app:gateway -f addr --raw     one field, for scripts";

#[derive(Clone, Debug, Default, Args)]
#[command(after_help = REGISTRY_SHOW_EXAMPLES, args_override_self = true)]
pub struct RegistryShowArgs {
    /// Full id, or the name if there is only one
    pub id: String,
    /// Show only this field of the data
    #[arg(short = 'f', long, value_name = "FIELD")]
    pub field: Option<String>,
    /// Print the bare value, without a newline
    #[arg(long)]
    pub raw: bool,
    #[command(flatten)]
    pub view: RegistryViewArgs,
}

/// Flags of both views of the registry.
#[derive(Clone, Debug, Default, Args)]
pub struct RegistryViewArgs {
    /// The lock file to start from
    #[arg(short = 'l', long, value_name = "FILE", default_value = "wippy.lock")]
    pub lock_file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print YAML
    #[arg(long, conflicts_with = "json")]
    pub yaml: bool,
    /// Change a setting; may be repeated
    #[arg(long = "set", value_name = "SECTION.PATH=VALUE")]
    pub sets: Vec<String>,
    /// Apply a profile of the configuration; may be repeated
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
}

const LINT_EXAMPLES: &str = "\
Examples:
  wippy lint                            errors and warnings of all entries
  wippy lint --rules --level hint       with style rules, all of it
  wippy lint --ns 'app.*' --code E0001  some namespaces, one code
  wippy lint --rules --fix              rewrite what can be fixed safely
  wippy lint --json                     for programs

The exit code is 1 if an error is shown.";

#[derive(Clone, Debug, Default, Args)]
#[command(after_help = LINT_EXAMPLES, args_override_self = true)]
pub struct LintArgs {
    /// The lock file to start from
    #[arg(short = 'l', long, value_name = "FILE", default_value = "wippy.lock")]
    pub lock_file: PathBuf,
    /// Show this severity and graver ones: error, warning, hint
    #[arg(long, value_name = "LEVEL", default_value = "warning")]
    pub level: String,
    /// Only these namespaces: `app`, or `app.*` for it and those below; may be repeated
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',')]
    pub ns: Vec<String>,
    /// Only these codes; may be repeated
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub code: Vec<String>,
    /// Add the style rules, W0001 and so on
    #[arg(long)]
    pub rules: bool,
    /// Rewrite what can be fixed without changing behaviour: unused locals and parameters get a name
    /// with `_` (W0004, W0005), unused requires go (W0006)
    #[arg(long)]
    pub fix: bool,
    /// Show at most so many; 0 is all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub limit: usize,
    /// Show numbers by namespace and by code only
    #[arg(long)]
    pub summary: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print without colours
    #[arg(long)]
    pub no_color: bool,
    /// Changes nothing: no cache of Lua code outlives a run
    #[arg(long)]
    pub cache_reset: bool,
    /// Change a setting; may be repeated
    #[arg(long = "set", value_name = "SECTION.PATH=VALUE")]
    pub sets: Vec<String>,
    /// Apply a profile of the configuration; may be repeated
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
}

const LSP_HELP: &str = "\
An editor starts this and speaks the Language Server Protocol with it. The project is the one in the
folder that the editor works in, or in that of -C. A source of an entry has the modules and imports
of that entry; without a project, there are all modules. The diagnostics are those of `wippy lint`.";

#[derive(Clone, Debug, Default, Args)]
#[command(after_help = LSP_HELP, args_override_self = true)]
pub struct LspArgs {
    /// The lock file to start from
    #[arg(short = 'l', long, value_name = "FILE", default_value = "wippy.lock")]
    pub lock_file: PathBuf,
    /// Add the style rules, W0001 and so on
    #[arg(long)]
    pub rules: bool,
    /// What clients add to say how they speak; there is no other way
    #[arg(long, hide = true)]
    pub stdio: bool,
    /// Change a setting; may be repeated
    #[arg(long = "set", value_name = "SECTION.PATH=VALUE")]
    pub sets: Vec<String>,
    /// Apply a profile of the configuration; may be repeated
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
}

/// Why there are no arguments to work with.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Help was asked for; this is the text.
    Help(String),
    Error(Error),
}

/// Parses the command line, the name of the program included.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, Refusal> {
    Cli::try_parse_from(args).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Refusal::Help(error.render().to_string())
        }
        // A command group without its command: its help serves better than a complaint.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Refusal::Help(error.render().to_string())
        }
        _ => Refusal::Error(Error::invalid(one_line(&error))),
    })
}

/// The complaint without usage, tips and decoration.
fn one_line(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let text = match (error.kind(), context(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidSubcommand, _) => {
            let name = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("unknown command {name:?}")
        }
        (ErrorKind::UnknownArgument, Some(arg)) if arg.starts_with('-') => {
            format!("unknown flag: {arg}")
        }
        (ErrorKind::UnknownArgument, Some(arg)) => format!("unexpected argument {arg:?}"),
        (ErrorKind::MissingRequiredArgument, Some(arg)) => format!("missing argument {arg}"),
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    };
    let near = match context(ContextKind::InvalidSubcommand) {
        Some(name) => nearest(&name, Cli::command().get_subcommands().map(|c| c.get_name())),
        None => context(ContextKind::SuggestedArg),
    };
    match near {
        Some(near) => format!("{text}, did you mean {near}?"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Cli, Refusal> {
        parse(format!("wippy {line}").split_whitespace().map(OsString::from))
    }

    #[track_caller]
    fn run(line: &str) -> (GlobalArgs, RunArgs) {
        match parse_line(line) {
            Ok(Cli { global, command: Some(Command::Run(args)) }) => (global, args),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_stand_anywhere() {
        for line in [
            "-cv --config=a.yaml -C dir run -x app:cli one two",
            "run one -x=app:cli -cv --config a.yaml two -C dir",
            "run one two -xapp:cli -vc -v --config a.yaml -C dir",
            "-C dir run one two -v --exec app:cli --console --config a.yaml",
        ] {
            let (global, args) = run(line);
            assert!(global.verbose && global.console && !global.silent, "{line}");
            assert_eq!(global.config, [PathBuf::from("a.yaml")], "{line}");
            assert_eq!(global.directory, Some(PathBuf::from("dir")), "{line}");
            assert_eq!(args.exec.as_deref(), Some("app:cli"), "{line}");
            assert_eq!(args.args, ["one", "two"], "{line}");
        }
    }

    #[test]
    fn repeated_flags() {
        let (global, args) = run("run --config a --config b -o a:b:c=1 -o a:b:d=2 --workers 1 \
                                  --workers 2 --set a.b=1,2 --set c.d=3 --profile p --profile q");
        assert_eq!(global.config.len(), 2);
        assert_eq!(args.overrides.overrides, ["a:b:c=1", "a:b:d=2"]);
        assert_eq!(args.overrides.sets, ["a.b=1,2", "c.d=3"]);
        assert_eq!(args.overrides.profiles, ["p", "q"]);
        assert_eq!(args.workers, Some(2));
    }

    #[test]
    fn all_after_two_dashes_is_for_the_process() {
        let (global, args) = run("run greet -v -- -s --help -- x");
        assert!(global.verbose && !global.silent);
        assert_eq!(args.args, ["greet", "-s", "--help", "--", "x"]);
    }

    #[track_caller]
    fn check_error(line: &str, expect: &str) {
        match parse_line(line) {
            Err(Refusal::Error(error)) => assert_eq!(error.to_string(), expect, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn errors_are_one_line() {
        check_error("rum", "unknown command \"rum\", did you mean run?");
        check_error("verison", "unknown command \"verison\", did you mean version?");
        check_error("sing", "unknown command \"sing\"");
        check_error("--nope", "unknown flag: --nope");
        check_error("run --verbos", "unknown flag: --verbos, did you mean --verbose?");
        check_error("run -z", "unknown flag: -z");
        check_error("version extra", "unexpected argument \"extra\"");
        check_error("registry show", "missing argument <ID>");
        check_error(
            "run -x",
            "a value is required for '--exec <[HOST/]NS:NAME>' but none was supplied",
        );
        check_error(
            "run --workers 0",
            "invalid value '0' for '--workers <N>': 0 is not in 1..=65535",
        );
    }

    #[test]
    fn help_is_there_for_every_command() {
        for line in [
            "--help",
            "-h",
            "help",
            "run --help",
            "run -h",
            "help run",
            "init -h",
            "version --help",
            "registry",
            "registry list -h",
            "registry show --help",
        ] {
            match parse_line(line) {
                Err(Refusal::Help(text)) => {
                    assert!(text.contains("Usage: wippy"), "{line}: {text}");
                    assert!(!text.contains('\x1b'), "{line}: {text}");
                    assert!(text.lines().all(|l| l.chars().count() <= 100), "{line}: {text}");
                }
                other => panic!("{line}: {other:?}"),
            }
        }
        assert!(matches!(parse_line(""), Ok(Cli { command: None, .. })));
    }
}
