//! What the modules offer, as the checker and the documentation know it: `declared/NAME.d.lua`, one
//! per module, in the dialect itself. A test compares them with what the modules register.

use std::sync::LazyLock;

use crate::lang::check::{Declaration, GLOBALS, Library};

macro_rules! declared {
    ($ambient:literal, $name:expr, $file:literal) => {
        Declaration {
            name: $name,
            ambient: $ambient,
            source: include_str!(concat!("declared/", $file, ".d.lua")),
        }
    };
    ($ambient:literal, $file:literal) => {
        declared!($ambient, $file, $file)
    };
}

/// All declarations. `true`: everybody has the module.
static ALL: &[Declaration] = &[
    declared!(true, GLOBALS, "_G"),
    declared!(true, "channel"),
    declared!(true, "coroutine"),
    declared!(true, "errors"),
    declared!(true, "math"),
    declared!(true, "os"),
    declared!(true, "payload"),
    declared!(true, "process"),
    declared!(true, "string"),
    declared!(true, "table"),
    declared!(false, "ctx"),
    declared!(false, "events"),
    declared!(false, "funcs"),
    declared!(false, "io"),
    declared!(false, "json"),
    declared!(false, "loader"),
    declared!(false, "logger"),
    declared!(false, "pg"),
    declared!(false, "registry"),
    declared!(false, "security"),
    declared!(false, "system"),
    declared!(false, "time"),
    declared!(false, "tty"),
    declared!(false, "uuid"),
];

static LIBRARY: LazyLock<Library> = LazyLock::new(|| Library::new(ALL).0);

/// What all modules offer; read at the first call.
pub fn library() -> &'static Library {
    &LIBRARY
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::runtime::engine::raw::State;
    use crate::runtime::engine::{env, registered};
    use crate::runtime::modules;
    use crate::runtime::modules::testing::check_lua;

    #[test]
    fn declarations_are_well_formed() {
        assert_eq!(Library::new(ALL).1, [""; 0]);
        for module in modules::GRANTED.iter().chain(modules::AMBIENT) {
            assert!(library().module_name(module.name).is_some(), "{}", module.name);
        }
    }

    /// Names that modules have but whose type nobody has written down are found here, and so are
    /// declared names that are not there.
    #[test]
    fn modules_have_what_is_declared_and_nothing_else() {
        let mut program = String::from("local tables = {\n");
        for declaration in ALL.iter().filter(|d| d.name != GLOBALS && d.name != "logger") {
            program += &format!("[{:?}] = {{", declaration.name);
            let own = |m: &&crate::lang::check::Member| {
                m.module == declaration.name && m.class.is_none() && m.name != "__call"
            };
            for member in library().members().iter().filter(own) {
                program += &format!("[{:?}] = {:?}, ", member.name, member.function);
            }
            program += "},\n";
        }
        program += r#"}
            local wrong = {}
            local function note(text) wrong[#wrong + 1] = text end
            for name, declared in pairs(tables) do
                local module = require(name)
                for member, value in pairs(module) do
                    if declared[member] == nil then
                        note(name .. "." .. member .. " is not declared")
                    elseif declared[member] ~= (type(value) == "function") then
                        note(name .. "." .. member .. " is a " .. type(value))
                    end
                end
                for member in pairs(declared) do
                    if rawget(module, member) == nil then
                        note(name .. "." .. member .. " is declared and not there")
                    end
                end
            end
            table.sort(wrong)
            assert(#wrong == 0, table.concat(wrong, "\n"))
        "#;
        check_lua(&program);
    }

    #[test]
    fn globals_are_as_declared() {
        let declared = library().members().iter().filter(|member| member.module == GLOBALS);
        for member in declared {
            let test = if member.function { "type(v) == 'function'" } else { "v ~= nil" };
            check_lua(&format!("local v = {}\nassert({test}, {:?})", member.name, member.name));
        }
    }

    /// Globals that nobody has declared are found here.
    #[test]
    fn programs_have_no_undeclared_globals() {
        let Some(l) = State::create() else { panic!("no memory") };
        env::open_libraries(l);
        env::push_base(l);
        let mut there = BTreeSet::new();
        let (table, mut cursor) = (l.top(), 0);
        while let Some(next) = l.next_pair(table, cursor) {
            cursor = next;
            there.insert(String::from_utf8_lossy(l.bytes(-2).unwrap_or_default()).into_owned());
            l.pop(2);
        }
        l.close();
        let globals = library().members().iter().filter(|member| member.module == GLOBALS);
        let declared: BTreeSet<String> = globals.map(|member| member.name.clone()).collect();
        // What translated programs call is not for people.
        let undeclared = there.iter().filter(|name| {
            !name.starts_with("__wippy_")
                && !declared.contains(*name)
                && library().module_name(name).is_none()
        });
        assert_eq!(undeclared.collect::<Vec<_>>(), [""; 0]);
        assert!(there.contains("print") && there.contains("process") && there.len() > 40);
    }

    /// Sorts of host objects have the methods that are declared, and no others.
    #[test]
    fn objects_have_what_is_declared_and_nothing_else() {
        let Some(l) = State::create() else { panic!("no memory") };
        registered::clear();
        modules::register_types(l);
        l.close();
        // The names that Luau knows them by are older than those in declarations.
        let name = |registered: &str| match registered {
            "error" => "errors.Error".to_owned(),
            "channel" => "channel.Channel".to_owned(),
            "channel.case" => "channel.Case".to_owned(),
            "process.Message" => "payload.Message".to_owned(),
            "payload" => "payload.Payload".to_owned(),
            "Logger" => "logger.Logger".to_owned(),
            other if other.contains('.') => other.to_owned(),
            other => format!("time.{other}"),
        };
        let there: BTreeSet<String> = registered::take()
            .into_iter()
            .flat_map(|(class, methods)| {
                let class = name(&class);
                methods.into_iter().map(move |method| format!("{class}:{method}"))
            })
            .collect();
        // These are tables, not objects.
        let is_table = |module: &str, class: &str| {
            matches!(
                (module, class),
                ("payload", "Formats")
                    | ("process", "Events" | "Names")
                    | ("system", _)
                    | ("tty", "Align" | "Borders" | "Event" | "Position" | "Text")
            )
        };
        let declared: BTreeSet<String> = library()
            .members()
            .iter()
            .filter_map(|member| Some((member, member.class.as_deref()?)))
            .filter(|(member, class)| !is_table(member.module, class))
            .map(|(member, class)| format!("{}.{class}:{}", member.module, member.name))
            .collect();
        let missing: Vec<&String> = there.difference(&declared).collect();
        let invented: Vec<&String> = declared.difference(&there).collect();
        assert!(missing.is_empty() && invented.is_empty(), "{missing:?} {invented:?}");
    }
}
