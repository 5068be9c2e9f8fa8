//! `goto` and labels.
//!
//! A jump may go to any label of its block or one around it in the same function, but not over the
//! declaration of a local into its scope; a label at the end of a block is in no such scope.

use std::collections::HashMap;

use super::Resolver;
use crate::lang::ast::BlockId;
use crate::lang::ast::Ident;
use crate::lang::ast::Name;
use crate::lang::ast::StatId;
use crate::lang::ast::StatKind;

/// A `goto` and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The statement.
    pub goto: StatId,
    /// The label that it means.
    pub label: StatId,
    /// The block in which that stands.
    pub block: BlockId,
    /// What kind of jump it is.
    pub kind: JumpKind,
}

/// How a `goto` could be said without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JumpKind {
    /// To the end of a loop's body: `continue` of the innermost loop if it is 0 loops out.
    Continue { loops_out: u32 },
    /// To a later statement.
    Forward,
    /// To an earlier statement.
    Backward,
}

/// A label that is visible.
#[derive(Clone, Copy)]
struct Label {
    stat: StatId,
    block: BlockId,
    /// Which of the open blocks it stands in.
    level: usize,
    /// Local declarations before it in its block.
    locals: u32,
    /// Does only what does nothing follow in its block?
    last: bool,
}

/// The labels of one function.
#[derive(Default)]
pub(super) struct Labels {
    /// By name, innermost last.
    visible: HashMap<Name, Vec<Label>>,
    /// Local declarations so far in each open block.
    levels: Vec<u32>,
}

impl Resolver<'_> {
    /// At the start of a block: its labels become visible.
    pub(super) fn open_labels(&mut self, block: BlockId) {
        let level = self.scope.labels.levels.len();
        self.scope.labels.levels.push(0);
        let stats = &self.ast[self.ast[block].stats];
        let is_label = |stat: &&StatId| matches!(self.ast[**stat].kind, StatKind::Label(_));
        if !stats.iter().any(|stat| is_label(&stat)) {
            return;
        }
        let end = stats.len() - stats.iter().rev().take_while(is_label).count();
        let mut locals = 0;
        for (index, stat) in stats.iter().enumerate() {
            match self.ast[*stat].kind {
                StatKind::Local { .. } | StatKind::LocalFunction { .. } => locals += 1,
                StatKind::Label(name) => {
                    let label = Label { stat: *stat, block, level, locals, last: index >= end };
                    self.open_label(name, label);
                }
                _ => {}
            }
        }
    }

    fn open_label(&mut self, name: Ident, label: Label) {
        let visible = self.scope.labels.visible.entry(name.name).or_default();
        match visible.last().filter(|other| other.level == label.level).map(|other| other.stat) {
            None => visible.push(label),
            Some(first) => {
                let message = format!("label '{}' is there already", self.ast.text(name.name));
                let first = self.ast[first].span;
                self.report(name.span, message).related = Some((first, "first here".into()));
            }
        }
    }

    /// At the end of a block: its labels are out of sight.
    pub(super) fn close_labels(&mut self, block: BlockId) {
        self.scope.labels.levels.pop();
        let level = self.scope.labels.levels.len();
        if self.scope.labels.visible.is_empty() {
            return;
        }
        for stat in &self.ast[self.ast[block].stats] {
            if let StatKind::Label(name) = self.ast[*stat].kind
                && let Some(visible) = self.scope.labels.visible.get_mut(&name.name)
            {
                visible.pop_if(|label| label.level == level);
            }
        }
    }

    /// A declaration of locals in the innermost block.
    pub(super) fn count_local(&mut self) {
        if let Some(locals) = self.scope.labels.levels.last_mut() {
            *locals += 1;
        }
    }

    pub(super) fn goto(&mut self, goto: StatId, name: Ident) {
        let labels = &self.scope.labels;
        let found = labels.visible.get(&name.name).and_then(|visible| visible.last());
        let Some(label) = found.copied() else {
            let text = self.ast.text(name.name);
            let found = self.report(name.span, format!("no label '{text}' is visible here"));
            found.help = Some(match text {
                "continue" => "put '::continue::' at the end of the loop".into(),
                _ => "a label is visible in its block and in those inside it".into(),
            });
            return;
        };
        let over_local = label.locals > labels.levels[label.level] && !label.last;
        if over_local {
            let message = format!("goto '{}' jumps over a local", self.ast.text(name.name));
            let place = self.ast[label.stat].span;
            let found = self.report(name.span, message);
            found.related = Some((place, "which is visible at this label".into()));
            found.help = Some("declare the local before the goto".into());
            return;
        }
        let loops = &self.scope.loops;
        let out = loops.iter().rev().position(|around| around.body == label.block);
        let kind = match out.filter(|_| label.last) {
            Some(out) => JumpKind::Continue { loops_out: out as u32 },
            None if self.ast[goto].span.start < self.ast[label.stat].span.start => {
                JumpKind::Forward
            }
            None => JumpKind::Backward,
        };
        if kind == (JumpKind::Continue { loops_out: 0 }) {
            self.scope.continues();
        }
        self.out.jumps.push(Jump { goto, label: label.stat, block: label.block, kind });
    }
}
