//! Values as bytes, for the way from one Lua state to another.
