//! The fuzzer: inputs by the grammar, damaged, cut from programs, of bytes, pumped up, each judged:
//! no panic, no time beyond what its length allows, and all that `judge` knows.
//!
//! `cargo test` makes a short run. A long one, at the speed of a release with all assertions:
//!
//! ```text
//! CARGO_PROFILE_DEV_OPT_LEVEL=3 WIPPY_FUZZ_EXECUTIONS=10000000 \
//!     cargo test --test lang fuzz::run -- --nocapture
//! ```
//!
//! Inputs have numbers and are the same in every run; `WIPPY_FUZZ_FROM` says with which to begin. What
//! was found stands in `found.rs`, so that it stays fixed.

mod found;
mod grammar;
mod inputs;
pub mod judge;
pub mod rng;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use wippy::infra::clock::thread_time;

use inputs::Inputs;
use inputs::Kind;
use judge::Judged;
use judge::judge;

/// Inputs of a run that nobody asked to be longer.
const EXECUTIONS: u64 = 20_000;

/// Time of the processor that an input may take: what is not seen above the noise, and what a byte may
/// add. A step that is done for each pair of places would take seconds in a long input.
const TIME_FREE: Duration = Duration::from_millis(50);
const TIME_PER_BYTE: Duration = Duration::from_micros(if cfg!(debug_assertions) { 20 } else { 5 });

/// No input takes so long on any machine: whoever waits for it learns which one it is.
const HANG: Duration = Duration::from_secs(120);

/// Luau's compiler takes longer than all the rest: it is asked about one of so many.
const LUAU_EVERY: u64 = 16;

/// Findings after which a run ends.
const FINDINGS_MAX: usize = 20;

#[derive(Default)]
struct Report {
    executions: u64,
    bytes: u64,
    kinds: BTreeMap<Kind, u64>,
    clean: u64,
    translated: u64,
    types: u64,
    /// Of all inputs of at least 4 KiB: the number of the one with the most time for a byte.
    slowest: (Duration, u64),
    findings: Vec<String>,
}

fn allowed(source: &str) -> Duration {
    TIME_FREE + TIME_PER_BYTE * source.len() as u32
}

/// Judges a source; a panic and too much time are findings like others.
fn execute(source: &str, with_luau: bool) -> (Judged, Duration) {
    let mut fastest = Duration::MAX;
    // The machine may be busy: slow is what is slow every time.
    for _ in 0..4 {
        let start = thread_time();
        let judged = catch_unwind(AssertUnwindSafe(|| judge(source, with_luau)));
        fastest = fastest.min(Duration::from_nanos(thread_time() - start));
        match judged {
            Err(panic) => return (Err(format!("panic: {}", text_of(&*panic))), fastest),
            Ok(Ok(_)) if fastest > allowed(source) => {}
            Ok(judged) => return (judged, fastest),
        }
    }
    (Err(format!("{} bytes took {fastest:?}", source.len())), fastest)
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into())).unwrap_or_default()
}

/// The source without whatever is not needed to find the same.
fn smaller(source: &str) -> String {
    let class = |text: &str| match execute(text, true).0 {
        Err(problem) => problem.split([':', ' ']).next().unwrap_or_default().to_owned(),
        Ok(_) => String::new(),
    };
    let (wanted, mut text, mut tries) = (class(source), source.to_owned(), 0);
    if wanted.is_empty() {
        return text;
    }
    let mut len = text.len() / 2;
    while len > 0 && tries < 3000 {
        let mut at = 0;
        while at < text.len() && tries < 3000 {
            let end = (at + len).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                let shorter = format!("{}{}", &text[..at], &text[end..]);
                tries += 1;
                if class(&shorter) == wanted {
                    text = shorter;
                    continue;
                }
            }
            at += len;
        }
        len /= 2;
    }
    text
}

fn run(from: u64, executions: u64, current: &AtomicU64) -> Report {
    let inputs = Inputs::new();
    let trace = std::env::var_os("WIPPY_FUZZ_TRACE").is_some();
    let mut report = Report::default();
    let began = Instant::now();
    for number in from..from + executions {
        current.store(number, Ordering::Relaxed);
        let (kind, source) = inputs.get(number);
        if trace {
            eprintln!("{number} {kind:?} {source:?}");
        }
        let (judged, time) = execute(&source, number % LUAU_EVERY == 0);
        report.executions += 1;
        report.bytes += source.len() as u64;
        *report.kinds.entry(kind).or_default() += 1;
        if source.len() >= 4096 {
            let of_byte = time / source.len() as u32;
            report.slowest = report.slowest.max((of_byte, number));
        }
        match judged {
            Ok(seen) => {
                report.clean += u64::from(seen.clean);
                report.translated += u64::from(seen.translated);
                report.types += u64::from(seen.types);
            }
            Err(problem) => {
                let small = smaller(&source);
                let short: String = problem.chars().take(600).collect();
                eprintln!("input {number}, {kind:?}: {short}\n---- smaller\n{small}\n----");
                report.findings.push(format!("input {number}: {short}"));
                if report.findings.len() >= FINDINGS_MAX {
                    break;
                }
            }
        }
        if report.executions % 500_000 == 0 {
            println!("{} executions, {:?}", report.executions, began.elapsed());
        }
    }
    report
}

/// A number in the environment.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}")))
}

#[test]
fn run_of_the_fuzzer() {
    let executions = setting("WIPPY_FUZZ_EXECUTIONS", EXECUTIONS);
    let from = setting("WIPPY_FUZZ_FROM", 0);
    let current = Arc::new(AtomicU64::new(from));
    let shared = current.clone();
    let began = Instant::now();
    // The stack of a worker of ours; a debug build needs more of it than a release.
    let worker = std::thread::Builder::new()
        .stack_size(8 << 20)
        .spawn(move || run(from, executions, &shared))
        .expect("a thread");
    let (mut last, mut since) = (u64::MAX, Instant::now());
    while !worker.is_finished() {
        std::thread::sleep(Duration::from_millis(20));
        let now = current.load(Ordering::Relaxed);
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > HANG {
            let (kind, source) = Inputs::new().get(now);
            eprintln!("input {now}, {kind:?}, does not end:\n{source}");
            std::process::abort();
        }
    }
    let report = worker.join().expect("no panic outside of the judged");
    let Report { executions, bytes, kinds, clean, translated, types, slowest, findings } = report;
    println!(
        "{executions} executions, {bytes} bytes, {:.0} a second; {clean} without errors, \
         {translated} translated, {types} with type values; {kinds:?}; slowest {slowest:?}",
        executions as f64 / began.elapsed().as_secs_f64()
    );
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    // The grammar is not to rot: most inputs would be noise.
    assert!(clean * 4 > executions, "{clean} of {executions}");
    assert!(translated * 20 > executions, "{translated} of {executions}");
    assert!(types * 200 > executions, "{types} of {executions}");
}
