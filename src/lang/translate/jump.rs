//! `goto`, and `break` and `continue` that Luau does not take as they stand.
//!
//! | jump | becomes |
//! |---|---|
//! | to the end of a loop's body | `continue` |
//! | to a later label | `break` out of `repeat ... until true` around what is skipped |
//! | to an earlier label | `continue` of `while true do ... break end` from the label to the end of its block |
//!
//! A jump out of several loops sets a flag and breaks; behind each loop that is left, the flag says to
//! leave the next one too. `break` and `continue` are followed by nothing: else they are put in
//! `do ... end`.
//!
//! Refused is what such loops cannot express: jumps forward into what a jump backward repeats; and
//! locals that would be declared in such a loop and used behind it.

use std::collections::HashSet;

use super::walk::Walker;
use crate::lang::ast::*;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::limits;
use crate::lang::resolve::Jump;
use crate::lang::resolve::JumpKind;
use crate::lang::span::Span;

/// Loops that may be put into one block. Each statement asks all of them whether it is their first.
const WRAPS_MAX: usize = 100;

/// How a loop is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Break,
    Continue,
}

impl Action {
    fn text(self) -> &'static str {
        match self {
            Action::Break => "break",
            Action::Continue => "continue",
        }
    }
}

/// A loop around the current statement.
#[derive(Debug)]
pub(super) struct Level {
    target: Target,
    /// The edit in front of the loop, for declarations.
    before: usize,
    /// Flags set in this loop or those inside it for the loop around this one.
    flags: Vec<(Action, u32)>,
    /// Flags set inside it for loops further out.
    passing: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// A loop of the program, by its body.
    Loop(BlockId),
    /// A loop of ours: behind it, or before it, is this label.
    Forward(StatId),
    Backward(StatId),
}

/// A loop to be put around statements `from..to` of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrap {
    from: usize,
    to: usize,
    target: Target,
}

impl Walker<'_> {
    /// Finds the loops that jumps need.
    pub(super) fn plan_jumps(&mut self) {
        let resolved = self.resolved;
        let mut blocks = Vec::new();
        for jump in &resolved.jumps {
            let (JumpKind::Forward | JumpKind::Backward) = jump.kind else { continue };
            let from = self.place(jump.block, jump.goto);
            let label = self.place(jump.block, jump.label);
            let wraps = self.wraps.entry(jump.block).or_default();
            let forward = jump.kind == JumpKind::Forward;
            let target = if forward { Target::Forward } else { Target::Backward }(jump.label);
            let n_wraps = wraps.len();
            match wraps.iter_mut().find(|wrap| wrap.target == target) {
                Some(wrap) if forward => wrap.from = wrap.from.min(from),
                Some(_) => {}
                None if n_wraps >= WRAPS_MAX => {
                    let message = format!("a block has at most {WRAPS_MAX} labels to jump to");
                    let span = self.ast[jump.label].span;
                    self.diagnostics.push(Diagnostic::syntax(span, message));
                    return;
                }
                None if forward => wraps.push(Wrap { from, to: label, target }),
                None => {
                    let to = self.ast[self.ast[jump.block].stats].len();
                    wraps.push(Wrap { from: label, to, target });
                }
            }
            if blocks.last() != Some(&jump.block) {
                blocks.push(jump.block);
            }
        }
        if blocks.is_empty() {
            return;
        }
        let repeats = self.ast.stats().filter_map(|(_, stat)| match stat.kind {
            StatKind::Repeat { body, .. } => Some(body),
            _ => None,
        });
        let repeats: HashSet<BlockId> = repeats.collect();
        for block in blocks {
            self.nest(block, repeats.contains(&block));
        }
    }

    /// Which statement of a block a statement is, or stands in.
    fn place(&self, block: BlockId, stat: StatId) -> usize {
        let at = self.ast[stat].span.start;
        let stats = &self.ast[self.ast[block].stats];
        stats.partition_point(|other| self.ast[*other].span.start <= at).saturating_sub(1)
    }

    /// Makes the loops of a block lie in each other, or refuses them. The condition of a `repeat` sees
    /// the locals of its body.
    fn nest(&mut self, block: BlockId, is_repeat: bool) {
        let Some(mut wraps) = self.wraps.remove(&block) else { return };
        wraps.sort_by_key(|wrap| (wrap.from, std::cmp::Reverse(wrap.to)));
        // Of two that overlap the later one is made to begin with the earlier one. One pass does: they
        // are sorted by their starts, and `open` holds those that are not yet over.
        let mut open: Vec<usize> = Vec::new();
        for at in 0..wraps.len() {
            let from = wraps[at].from;
            open.retain(|other| wraps[*other].to > from);
            let crossed = open.iter().copied().find(|other| wraps[*other].to < wraps[at].to);
            if let Some(first) = crossed {
                if let Target::Backward(label) = wraps[at].target {
                    return self.refuse(block, wraps[first].target, Some(label));
                }
                wraps[at].from = wraps[first].from;
            }
            open.push(at);
        }
        wraps.sort_by_key(|wrap| (wrap.from, std::cmp::Reverse(wrap.to)));
        let ast = self.ast;
        let stats = &ast[ast[block].stats];
        let is_label = |stat: &&StatId| matches!(ast[**stat].kind, StatKind::Label(_));
        let end = stats.len() - stats.iter().rev().take_while(is_label).count();
        let is_local = |stat: &StatId| {
            matches!(ast[*stat].kind, StatKind::Local { .. } | StatKind::LocalFunction { .. })
        };
        // How many locals are declared before each statement.
        let mut locals = vec![0usize; stats.len() + 1];
        for (at, stat) in stats.iter().enumerate() {
            locals[at + 1] = locals[at] + usize::from(is_local(stat));
        }
        for wrap in &wraps {
            let hides = locals[wrap.to] > locals[wrap.from];
            let seen_later = wrap.to < end || is_repeat;
            if hides && seen_later {
                return self.refuse(block, wrap.target, None);
            }
        }
        self.wraps.insert(block, wraps);
    }

    /// Reports the jumps to a label that cannot be said otherwise.
    #[cold]
    fn refuse(&mut self, block: BlockId, target: Target, into: Option<StatId>) {
        let (Target::Forward(label) | Target::Backward(label)) = target else { return };
        if self.diagnostics.len() >= limits::DIAGNOSTICS {
            return;
        }
        let of = |jump: &&Jump| jump.block == block && jump.label == label;
        let Some(jump) = self.resolved.jumps.iter().find(of) else { return };
        let StatKind::Label(name) = self.ast[label].kind else { return };
        let text = self.ast.text(name.name);
        let (message, help) = match into {
            Some(_) => (
                format!("goto '{text}' jumps into the middle of a loop made by another goto"),
                "write the outer one as a loop",
            ),
            None => (
                format!(
                    "goto '{text}' cannot be translated: it encloses a local that is used later"
                ),
                "declare the local before the goto and the label",
            ),
        };
        let mut found = Diagnostic::syntax(self.ast[jump.goto].span, message).help(help);
        let place = into.unwrap_or(label);
        found = found.related(self.ast[place].span, "the label is here");
        self.diagnostics.push(found);
    }

    // -- loops while walking ---------------------------------------------------------------------

    fn open(&mut self, at: u32, target: Target) {
        self.insert(at, "");
        let before = self.edits.len() - 1;
        self.levels.push(Level { target, before, flags: Vec::new(), passing: Vec::new() });
    }

    pub(super) fn open_loop(&mut self, at: u32, body: BlockId) {
        self.open(at, Target::Loop(body));
    }

    /// After a loop that ends at `end`: declares its flags before it and looks at them behind it.
    pub(super) fn close_loop(&mut self, level: Option<Level>, end: u32) {
        let Some(Level { before, flags, passing, .. }) = level else { return };
        let mut text = String::new();
        for flag in passing {
            text += &format!(" if __wippy_g{flag} then break end");
        }
        for (action, flag) in &flags {
            text += &format!(" if __wippy_g{flag} then {} end", action.text());
        }
        if !flags.is_empty() {
            let names: Vec<String> =
                flags.iter().map(|(_, flag)| format!("__wippy_g{flag}")).collect();
            self.edits[before].text = format!("do local {} ", names.join(",")).into();
            text += " end";
        }
        if !text.is_empty() {
            self.insert(end, text);
        }
    }

    pub(super) fn open_wraps(&mut self, wraps: &[Wrap], index: usize, stats: List<StatId>) {
        for wrap in wraps.iter().filter(|wrap| wrap.from == index) {
            let span = self.ast[self.ast[stats][index]].span;
            self.open(span.start, wrap.target);
            match wrap.target {
                Target::Backward(_) => self.insert(span.start, "while true do "),
                _ => self.insert(span.start, "repeat "),
            }
        }
    }

    pub(super) fn close_wraps(&mut self, wraps: &[Wrap], index: usize, stats: List<StatId>) {
        for wrap in wraps.iter().rev().filter(|wrap| wrap.to == index + 1) {
            let last = &self.ast[self.ast[stats][index]];
            let text = match (wrap.target, last.kind) {
                (Target::Backward(_), StatKind::Return(_)) => " end ",
                (Target::Backward(_), _) => " break end ",
                _ => " until true ",
            };
            let end = last.span.end;
            self.insert(end, text);
            let level = self.levels.pop();
            self.close_loop(level, end);
        }
    }

    // -- jumps -------------------------------------------------------------------------------------

    pub(super) fn leave_loop(&mut self, span: Span, action: Action, last: bool) {
        let is_loop = |level: &Level| matches!(level.target, Target::Loop(_));
        if let Some(level) = self.levels.iter().rposition(is_loop) {
            self.leave(span, level, action, last);
        }
    }

    pub(super) fn goto(&mut self, stat: StatId, last: bool) {
        let Some(jump) = self.jumps.get(&stat).copied() else { return };
        let (target, action) = match jump.kind {
            JumpKind::Continue { .. } => (Target::Loop(jump.block), Action::Continue),
            JumpKind::Forward => (Target::Forward(jump.label), Action::Break),
            JumpKind::Backward => (Target::Backward(jump.label), Action::Continue),
        };
        let span = self.ast[stat].span;
        match self.levels.iter().rposition(|level| level.target == target) {
            Some(level) => self.leave(span, level, action, last),
            // It was refused.
            None => self.erase_statement(span),
        }
    }

    /// Leaves, or goes on with, the loop of a level.
    fn leave(&mut self, span: Span, level: usize, action: Action, last: bool) {
        let text = action.text();
        if level + 1 == self.levels.len() {
            match last && !self.in_wrap() {
                true if span.text(self.source) == text => {}
                true => self.replace(span, text),
                false => self.replace(span, format!("do {text} end")),
            }
            return;
        }
        let around = &mut self.levels[level + 1];
        let flag = match around.flags.iter().find(|(other, _)| *other == action) {
            Some((_, flag)) => *flag,
            None => {
                self.n_flags += 1;
                around.flags.push((action, self.n_flags));
                self.n_flags
            }
        };
        for passed in &mut self.levels[level + 2..] {
            if !passed.passing.contains(&flag) {
                passed.passing.push(flag);
            }
        }
        self.replace(span, format!("do __wippy_g{flag}=true break end"));
    }

    /// Is the innermost loop one of ours, whose end may follow?
    fn in_wrap(&self) -> bool {
        self.levels.last().is_some_and(|level| !matches!(level.target, Target::Loop(_)))
    }

    pub(super) fn label(&mut self, stat: StatId) {
        self.erase_statement(self.ast[stat].span);
    }
}
