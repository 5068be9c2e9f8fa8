//! A schema document to nodes.

use std::collections::HashMap;
use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::infra::json_schema::resolve::{Places, Pointer, value_at};
use crate::infra::json_schema::{Count, Keyword, Limit, Node, NodeId, Schema, TYPES};
use crate::infra::transcoder::{Map, Value};

/// Bytes that a compiled pattern may take, and how many patterns there may be.
const PATTERN_MAX: usize = 1 << 20;
const PATTERNS_MAX: usize = 1_000;
/// Schemas one inside the other while compiling; references count.
const DEPTH_MAX: usize = 500;

/// Why a document is no schema: where, and what is wrong there.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    at: String,
    reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at '{}': {}", self.at, self.reason)
    }
}

impl Schema {
    /// Compiles a document that is a map or a boolean.
    pub fn compile(document: Value) -> Result<Schema, Problem> {
        let places = Places::of(&document);
        let mut compiler = Compiler {
            root: &document,
            places,
            nodes: Vec::new(),
            known: HashMap::new(),
            n_patterns: 0,
            depth: 0,
            tracks: false,
        };
        compiler.node(Vec::new())?;
        let mut anchors: Vec<_> = compiler.places.anchors.clone().into_iter().collect();
        anchors.retain(|(_, (_, dynamic))| *dynamic);
        let mut dynamic_anchors = HashMap::new();
        for (key, (at, _)) in anchors {
            dynamic_anchors.insert(key, compiler.node(at)?);
        }
        Ok(Schema { nodes: compiler.nodes, dynamic_anchors, tracks: compiler.tracks })
    }
}

struct Compiler<'a> {
    root: &'a Value,
    places: Places,
    nodes: Vec<Node>,
    known: HashMap<Pointer, NodeId>,
    n_patterns: usize,
    depth: usize,
    tracks: bool,
}

/// The schema that is being compiled.
struct At<'a> {
    map: &'a Map,
    pointer: Pointer,
    resource: usize,
}

impl At<'_> {
    fn below(&self, steps: &[&str]) -> Pointer {
        self.pointer.iter().cloned().chain(steps.iter().map(|step| (*step).to_owned())).collect()
    }

    fn problem(&self, keyword: &str, reason: impl Into<String>) -> Problem {
        problem(&self.below(&[keyword]), reason)
    }
}

fn problem(at: &[String], reason: impl Into<String>) -> Problem {
    let steps = at.iter().map(|step| step.replace('~', "~0").replace('/', "~1"));
    Problem {
        at: steps.fold(String::new(), |path, step| path + "/" + &step),
        reason: reason.into(),
    }
}

type Compiled<T> = Result<T, Problem>;

impl Compiler<'_> {
    /// The node of the schema at a place, compiled at the first call.
    fn node(&mut self, pointer: Pointer) -> Compiled<NodeId> {
        if let Some(&known) = self.known.get(&pointer) {
            return Ok(known);
        }
        let Some(value) = value_at(self.root, &pointer) else {
            return Err(problem(&pointer, "there is nothing"));
        };
        let resource = self.places.resource_of(&pointer);
        let id = self.nodes.len();
        // Known before its keywords are, so that it may refer to itself.
        self.nodes.push(Node { keywords: Vec::new(), resource });
        self.known.insert(pointer.clone(), id);
        self.nodes[id].keywords = match value {
            Value::Bool(true) => Vec::new(),
            Value::Bool(false) => vec![Keyword::Never],
            Value::Map(map) => {
                if self.depth >= DEPTH_MAX {
                    return Err(problem(&pointer, "schemas are nested too deeply"));
                }
                self.depth += 1;
                let keywords = self.keywords(&At { map, pointer, resource })?;
                self.depth -= 1;
                keywords
            }
            _ => return Err(problem(&pointer, "a schema is an object or a boolean")),
        };
        Ok(id)
    }

    fn keywords(&mut self, at: &At<'_>) -> Compiled<Vec<Keyword>> {
        let mut all = Vec::new();
        self.references(at, &mut all)?;
        self.applicators(at, &mut all)?;
        self.assertions(at, &mut all)?;
        self.of_lists(at, &mut all)?;
        self.of_objects(at, &mut all)?;
        if let Some(node) = self.one(at, "unevaluatedItems")? {
            self.tracks = true;
            all.push(Keyword::UnevaluatedItems(node));
        }
        if let Some(node) = self.one(at, "unevaluatedProperties")? {
            self.tracks = true;
            all.push(Keyword::UnevaluatedProperties(node));
        }
        Ok(all)
    }

    fn references(&mut self, at: &At<'_>, all: &mut Vec<Keyword>) -> Compiled<()> {
        for keyword in ["$ref", "$dynamicRef"] {
            let Some(value) = at.map.get(keyword) else { continue };
            let text = value.as_str().ok_or_else(|| at.problem(keyword, "must be a string"))?;
            let found = self.places.resolve(text, at.resource);
            let (target, dynamic) =
                found.ok_or_else(|| at.problem(keyword, format!("{text:?} leads nowhere")))?;
            let node = self.node(target)?;
            all.push(match dynamic.filter(|_| keyword == "$dynamicRef") {
                Some(name) => Keyword::DynamicRef(node, name),
                None => Keyword::Ref(node),
            });
        }
        Ok(())
    }

    fn applicators(&mut self, at: &At<'_>, all: &mut Vec<Keyword>) -> Compiled<()> {
        if let Some(nodes) = self.list(at, "allOf")? {
            all.push(Keyword::AllOf(nodes));
        }
        if let Some(nodes) = self.list(at, "anyOf")? {
            all.push(Keyword::AnyOf(nodes));
        }
        if let Some(nodes) = self.list(at, "oneOf")? {
            all.push(Keyword::OneOf(nodes));
        }
        if let Some(node) = self.one(at, "not")? {
            all.push(Keyword::Not(node));
        }
        if let Some(condition) = self.one(at, "if")? {
            let (then, otherwise) = (self.one(at, "then")?, self.one(at, "else")?);
            all.push(Keyword::If { condition, then, otherwise });
        }
        if let Some(nodes) = self.map(at, "dependentSchemas")? {
            all.push(Keyword::DependentSchemas(nodes));
        }
        Ok(())
    }

    fn assertions(&mut self, at: &At<'_>, all: &mut Vec<Keyword>) -> Compiled<()> {
        if let Some(value) = at.map.get("type") {
            all.push(Keyword::Type(types(value).map_err(|reason| at.problem("type", reason))?));
        }
        if let Some(value) = at.map.get("enum") {
            let values = value.as_list().ok_or_else(|| at.problem("enum", "must be a list"))?;
            all.push(Keyword::Enum(values.to_vec()));
        }
        if let Some(value) = at.map.get("const") {
            all.push(Keyword::Const(value.clone()));
        }
        if let Some(factor) = number(at, "multipleOf")? {
            if factor <= 0.0 {
                return Err(at.problem("multipleOf", "must be greater than 0"));
            }
            all.push(Keyword::MultipleOf(factor));
        }
        for (keyword, limit) in [
            ("maximum", Limit::Maximum),
            ("exclusiveMaximum", Limit::ExclusiveMaximum),
            ("minimum", Limit::Minimum),
            ("exclusiveMinimum", Limit::ExclusiveMinimum),
        ] {
            if let Some(bound) = number(at, keyword)? {
                all.push(Keyword::Limit(limit, bound));
            }
        }
        for (keyword, what) in [
            ("maxLength", Count::MaxLength),
            ("minLength", Count::MinLength),
            ("maxItems", Count::MaxItems),
            ("minItems", Count::MinItems),
            ("maxProperties", Count::MaxProperties),
            ("minProperties", Count::MinProperties),
        ] {
            if let Some(bound) = count(at, keyword)? {
                all.push(Keyword::Count(what, bound));
            }
        }
        if let Some(value) = at.map.get("pattern") {
            all.push(Keyword::Pattern(self.pattern(at, "pattern", value.as_str())?));
        }
        Ok(())
    }

    fn of_lists(&mut self, at: &At<'_>, all: &mut Vec<Keyword>) -> Compiled<()> {
        match at.map.get("uniqueItems") {
            None | Some(Value::Bool(false)) => (),
            Some(Value::Bool(true)) => all.push(Keyword::UniqueItems),
            Some(_) => return Err(at.problem("uniqueItems", "must be a boolean")),
        }
        let (prefix, rest) = (self.list(at, "prefixItems")?, self.one(at, "items")?);
        if prefix.is_some() || rest.is_some() {
            all.push(Keyword::Items { prefix: prefix.unwrap_or_default(), rest });
        }
        let (min, max) = (count(at, "minContains")?, count(at, "maxContains")?);
        if let Some(node) = self.one(at, "contains")? {
            all.push(Keyword::Contains { node, min: min.unwrap_or(1), max });
        }
        Ok(())
    }

    fn of_objects(&mut self, at: &At<'_>, all: &mut Vec<Keyword>) -> Compiled<()> {
        if let Some(value) = at.map.get("required") {
            let names = names(value).ok_or_else(|| at.problem("required", TEXTS))?;
            all.push(Keyword::Required(names));
        }
        if let Some(value) = at.map.get("dependentRequired") {
            let map = value.as_map().ok_or_else(|| at.problem("dependentRequired", OBJECT))?;
            let pairs = map.iter().map(|(name, value)| Some((name.clone(), names(value)?)));
            let pairs = pairs.collect::<Option<_>>();
            let pairs = pairs.ok_or_else(|| at.problem("dependentRequired", TEXTS))?;
            all.push(Keyword::DependentRequired(pairs));
        }
        if let Some(node) = self.one(at, "propertyNames")? {
            all.push(Keyword::PropertyNames(node));
        }
        let named = self.map(at, "properties")?;
        let mut patterns = Vec::new();
        for (pattern, node) in self.map(at, "patternProperties")?.unwrap_or_default() {
            patterns.push((self.pattern(at, "patternProperties", Some(&pattern))?, node));
        }
        let others = self.one(at, "additionalProperties")?;
        if named.is_some() || !patterns.is_empty() || others.is_some() {
            let named = named.unwrap_or_default().into_iter().collect();
            all.push(Keyword::Properties { named, patterns, others });
        }
        Ok(())
    }

    // -- parts --------------------------------------------------------------------------------

    fn one(&mut self, at: &At<'_>, keyword: &str) -> Compiled<Option<NodeId>> {
        match at.map.contains_key(keyword) {
            true => self.node(at.below(&[keyword])).map(Some),
            false => Ok(None),
        }
    }

    fn list(&mut self, at: &At<'_>, keyword: &str) -> Compiled<Option<Vec<NodeId>>> {
        let Some(value) = at.map.get(keyword) else { return Ok(None) };
        let items = value.as_list().filter(|items| !items.is_empty());
        let items = items.ok_or_else(|| at.problem(keyword, "must be a list of schemas"))?;
        let nodes = (0..items.len()).map(|n| self.node(at.below(&[keyword, &n.to_string()])));
        nodes.collect::<Compiled<_>>().map(Some)
    }

    fn map(&mut self, at: &At<'_>, keyword: &str) -> Compiled<Option<Vec<(String, NodeId)>>> {
        let Some(value) = at.map.get(keyword) else { return Ok(None) };
        let map = value.as_map().ok_or_else(|| at.problem(keyword, OBJECT))?;
        let nodes =
            map.keys().map(|name| Ok((name.clone(), self.node(at.below(&[keyword, name]))?)));
        nodes.collect::<Compiled<_>>().map(Some)
    }

    fn pattern(&mut self, at: &At<'_>, keyword: &str, text: Option<&str>) -> Compiled<Regex> {
        let text = text.ok_or_else(|| at.problem(keyword, "must be a string"))?;
        self.n_patterns += 1;
        if self.n_patterns > PATTERNS_MAX {
            return Err(at.problem(keyword, format!("more than {PATTERNS_MAX} patterns")));
        }
        let built = RegexBuilder::new(text).size_limit(PATTERN_MAX).build();
        built.map_err(|error| at.problem(keyword, format!("pattern {text:?}: {error}")))
    }
}

const TEXTS: &str = "must be a list of strings";
const OBJECT: &str = "must be an object";

fn types(value: &Value) -> Result<u8, String> {
    let bits = |value: &Value| {
        let name = value.as_str().ok_or("must be a string or a list of strings")?;
        let found = TYPES.iter().find(|(known, _)| *known == name);
        found.map(|(_, bits)| *bits).ok_or_else(|| format!("{name:?} is no type"))
    };
    match value {
        Value::List(values) => values.iter().try_fold(0, |all, value| Ok(all | bits(value)?)),
        value => bits(value),
    }
}

fn number(at: &At<'_>, keyword: &str) -> Compiled<Option<f64>> {
    match at.map.get(keyword) {
        None => Ok(None),
        Some(value) => match value.as_number() {
            Some(number) => Ok(Some(number)),
            None => Err(at.problem(keyword, "must be a number")),
        },
    }
}

fn count(at: &At<'_>, keyword: &str) -> Compiled<Option<usize>> {
    match number(at, keyword)? {
        None => Ok(None),
        Some(number) if number >= 0.0 && number.fract() == 0.0 => Ok(Some(number as usize)),
        Some(_) => Err(at.problem(keyword, "must be a whole number, not below 0")),
    }
}

fn names(value: &Value) -> Option<Vec<String>> {
    value.as_list()?.iter().map(|name| Some(name.as_str()?.to_owned())).collect()
}
