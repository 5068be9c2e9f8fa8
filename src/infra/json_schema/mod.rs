//! JSON Schema, draft 2020-12: does a tree have the shape that a schema asks for?
//!
//! - `compile`: a schema document to a flat list of nodes, numbered, so that references may go in
//!   circles. Wrong keywords, references that lead nowhere and patterns that do not compile are told
//!   here.
//! - `validate`: a tree against a node. Work and depth are bounded: a schema from somebody who
//!   means harm may double its work with each reference.
//!
//! Patterns have RE2's syntax, which is read in linear time. `format`, `contentMediaType` and the like
//! are annotations and never fail. Other documents are not fetched. Written by hand because known
//! validators bound neither the work nor the recursion.

mod compile;
mod resolve;
mod validate;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use regex::Regex;

use crate::infra::transcoder::Value;

pub use compile::Problem;
pub use validate::Failure;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    nodes: Vec<Node>,
    /// The node of `$dynamicAnchor` names, by resource and name.
    dynamic_anchors: HashMap<(usize, String), NodeId>,
    /// Some node asks what the others have looked at.
    tracks: bool,
}

type NodeId = usize;

/// A schema within the document.
#[derive(Debug, Default)]
struct Node {
    keywords: Vec<Keyword>,
    /// The schema resource, by number, that it stands in.
    resource: usize,
}

/// What a schema asks for. Those that look at the same instance come first, `unevaluated...` last.
#[derive(Debug)]
enum Keyword {
    Never,
    Ref(NodeId),
    /// Where it leads by itself, and the name by which the dynamic scope may lead elsewhere.
    DynamicRef(NodeId, String),
    AllOf(Vec<NodeId>),
    AnyOf(Vec<NodeId>),
    OneOf(Vec<NodeId>),
    Not(NodeId),
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
    DependentSchemas(Vec<(String, NodeId)>),
    /// A set of bits, see [`TYPES`].
    Type(u8),
    Enum(Vec<Value>),
    Const(Value),
    MultipleOf(f64),
    Limit(Limit, f64),
    Count(Count, usize),
    Pattern(Regex),
    UniqueItems,
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
    PropertyNames(NodeId),
    Items {
        prefix: Vec<NodeId>,
        rest: Option<NodeId>,
    },
    Contains {
        node: NodeId,
        min: usize,
        max: Option<usize>,
    },
    Properties {
        named: HashMap<String, NodeId>,
        patterns: Vec<(Regex, NodeId)>,
        others: Option<NodeId>,
    },
    UnevaluatedItems(NodeId),
    UnevaluatedProperties(NodeId),
}

/// Bounds of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Maximum,
    ExclusiveMaximum,
    Minimum,
    ExclusiveMinimum,
}

/// Bounds of lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    MaxLength,
    MinLength,
    MaxItems,
    MinItems,
    MaxProperties,
    MinProperties,
}

// An integer has both bits.
const NULL: u8 = 1;
const BOOLEAN: u8 = 2;
const INTEGER: u8 = 4;
const NUMBER: u8 = 8;
const STRING: u8 = 16;
const ARRAY: u8 = 32;
const OBJECT: u8 = 64;

/// The types a schema may name.
const TYPES: &[(&str, u8)] = &[
    ("null", NULL),
    ("boolean", BOOLEAN),
    ("integer", INTEGER),
    ("number", NUMBER),
    ("string", STRING),
    ("array", ARRAY),
    ("object", OBJECT),
];
