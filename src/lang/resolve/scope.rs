//! What is visible at a place: a table by name, and how to undo what a block has put into it.

use super::TypeUse;
use super::jump::Labels;
use crate::lang::ast::Ast;
use crate::lang::ast::BindingId;
use crate::lang::ast::BlockId;
use crate::lang::ast::Name;

/// Where a scope begins, to go back there.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    locals: usize,
    types: usize,
}

/// A loop around a place, of the same function.
pub(super) struct Loop {
    pub(super) body: BlockId,
    /// How many locals had been declared at the first `continue`.
    continued: Option<u32>,
}

/// The state of a function that is left for an inner one.
pub(super) struct Outside {
    loops: Vec<Loop>,
    until: Option<(u32, u32)>,
    pub(super) labels: Labels,
}

pub(super) struct Scope {
    locals: Vec<Option<BindingId>>,
    types: Vec<Option<TypeUse>>,
    hidden_locals: Vec<(Name, Option<BindingId>)>,
    hidden_types: Vec<(Name, Option<TypeUse>)>,
    /// How many locals have been declared so far: the next one's order.
    declared: u32,
    /// Locals below this order are outside of the type function that we are in.
    type_function: Option<u32>,
    /// In the condition of `repeat`: locals of these orders may be unset.
    until: Option<(u32, u32)>,
    pub(super) loops: Vec<Loop>,
    pub(super) labels: Labels,
}

impl Scope {
    pub(super) fn new(ast: &Ast) -> Self {
        Self {
            locals: vec![None; ast.names.count()],
            types: vec![None; ast.names.count()],
            hidden_locals: Vec::new(),
            hidden_types: Vec::new(),
            declared: 0,
            type_function: None,
            until: None,
            loops: Vec::new(),
            labels: Labels::default(),
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { locals: self.hidden_locals.len(), types: self.hidden_types.len() }
    }

    /// Undoes all declarations since the mark, and names the locals among them.
    pub(super) fn leave(&mut self, mark: Mark, mut ended: impl FnMut(BindingId)) {
        for (name, hidden) in self.hidden_locals.drain(mark.locals..).rev() {
            let ending = std::mem::replace(&mut self.locals[name.index()], hidden);
            ending.into_iter().for_each(&mut ended);
        }
        for (name, hidden) in self.hidden_types.drain(mark.types..).rev() {
            self.types[name.index()] = hidden;
        }
    }

    pub(super) fn local(&self, name: Name) -> Option<BindingId> {
        self.locals[name.index()]
    }

    pub(super) fn ty(&self, name: Name) -> Option<TypeUse> {
        self.types[name.index()]
    }

    /// The local that is hidden by the new one, and the order of that.
    pub(super) fn declare(&mut self, name: Name, binding: BindingId) -> (Option<BindingId>, u32) {
        let hidden = self.locals[name.index()].replace(binding);
        self.hidden_locals.push((name, hidden));
        self.declared += 1;
        (hidden, self.declared - 1)
    }

    pub(super) fn declare_type(&mut self, name: Name, ty: TypeUse) {
        let hidden = self.types[name.index()].replace(ty);
        self.hidden_types.push((name, hidden));
    }

    pub(super) fn enter_function(&mut self) -> Outside {
        Outside {
            loops: std::mem::take(&mut self.loops),
            until: self.until.take(),
            labels: std::mem::take(&mut self.labels),
        }
    }

    pub(super) fn leave_function(&mut self, outside: Outside) {
        self.loops = outside.loops;
        self.until = outside.until;
        self.labels = outside.labels;
    }

    pub(super) fn enter_type_function(&mut self) -> Option<u32> {
        let outermost = self.type_function.unwrap_or(self.declared);
        self.type_function.replace(outermost)
    }

    pub(super) fn leave_type_function(&mut self, outer: Option<u32>) {
        self.type_function = outer;
    }

    pub(super) fn is_outside_type_function(&self, order: u32) -> bool {
        self.type_function.is_some_and(|first| order < first)
    }

    pub(super) fn open_loop(&mut self, body: BlockId) {
        self.loops.push(Loop { body, continued: None });
    }

    /// Says at which order the loop was first continued.
    pub(super) fn close_loop(&mut self) -> Option<u32> {
        self.loops.pop().and_then(|closed| closed.continued)
    }

    /// At a jump to the end of the innermost loop's body.
    pub(super) fn continues(&mut self) {
        let declared = self.declared;
        if let Some(around) = self.loops.last_mut() {
            around.continued.get_or_insert(declared);
        }
    }

    pub(super) fn enter_until(&mut self, continued: Option<u32>) -> Option<(u32, u32)> {
        let declared = self.declared;
        std::mem::replace(&mut self.until, continued.map(|first| (first, declared)))
    }

    pub(super) fn leave_until(&mut self, outer: Option<(u32, u32)>) {
        self.until = outer;
    }

    pub(super) fn is_jumped_over(&self, order: u32) -> bool {
        self.until.is_some_and(|(first, last)| first <= order && order < last)
    }
}
