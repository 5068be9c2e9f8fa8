//! Services: the parts of an application that are not its processes. They name no Lua.

pub mod terminal;
