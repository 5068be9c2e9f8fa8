//! Trees of every construct.

use wippy::lang::parser::parse;
use wippy::lang::print::print;

use crate::dump::dump;

/// Each line of `sources` as a program, followed by its tree.
#[track_caller]
fn trees(sources: &str) -> String {
    let mut out = String::new();
    for source in sources.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let parsed = parse(source);
        assert_eq!(parsed.diagnostics, [], "{source}");
        let tree = dump(&parsed.ast, source);
        let printed = print(&parsed.ast, source);
        let again = parse(&printed);
        assert_eq!(again.diagnostics, [], "{source}\nprinted as {printed}");
        assert_eq!(dump(&again.ast, &printed), tree, "{source}\nprinted as {printed}");
        out += &format!("{source}\n    {}\n", tree.replace('\n', "\n    "));
    }
    out
}

/// Without the sources in the head of the file: they are in its text.
#[track_caller]
fn snapshot(name: &str, trees: String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, trees));
}

#[test]
fn statements() {
    snapshot(
        "statements",
        trees(
            r#"
        local a
        local a: number, b = 1, "x"
        const a, b = f()
        local function f(a, ...) return ... end
        const function f() end
        function a.b.c:d(x: number): string end
        a, b.c, d[1] = 1, 2
        a += 1; b ..= "x" c //= 2
        f(); a.b:c "x" {1}
        do end
        do local a; return a, b; end
        while a do break end
        while a do break f() end
        repeat local a = 1 until a
        if a then elseif b then c() else d() end
        for i = 1, 2 do end
        for i: number = 1, 2, 3 do continue end
        for k: string, v in pairs(t), nil do end
        return
        return 1, 2;
        goto done ::done::
        for i = 1, 2 do if i then goto continue end ::continue:: end
        type = 1 type.x = 2 type(1) export = 1 continue = 1 goto(1) interface = 2 as = 3
        x = y as (1)
        type A = number
        export type A<T, U = {T}, V... = ...T> = (T) -> U
        type function f(a) return a end
        interface A function m(self, a: number): string function n(...) end
        export interface A<T>: B, C.D<T> x: number y?: T function m<U>(): (U, T) end
        @native function f() end
        @[deprecated { use = "g", reason = "old" }, native] local function f() end
        @checked const function f() end
        (f or g)() ;(h)()
        "#,
        ),
    );
}

#[test]
fn expressions() {
    snapshot(
        "expressions",
        trees(
            r#"
        x = nil, true, false, ..., 1, 0x1F, 0b1_0, 1e5, .5, "a\n", 'b', [[c]], [=[ ]] ]=]
        x = `a`, `a{1}b{`c{2}`}`, `{ {1} }`
        x = a + b * c ^ d ^ e - f / g // h % i
        x = a .. b .. c
        x = a or b and c == d ~= e
        x = not a, -a ^ b, #a.b, - -a, ~a
        x = a | b ~ c & d << e >> f .. g
        x = a < b | c
        x = 1 << 2 + 3
        x = a<<b, f << g >> (h), f<<g>>(h), f<<{T}, U>>"s", o:m<<T>>(1)
        x = (a), (f()), ((a)).b
        x = {}, {1, 2; 3}, {a = 1, [b] = 2, c; d, }, {[ [[k]] ] = 1}
        x = function(a: number, b, ...: string): (number, string) return a end
        x = function<T, U...>(a: T, ...: U...): U... end
        x = a.b[c]:d(e){f}"g"
        x = if a then b else c
        x = if a then b elseif c then d else if e then f else g
        x = a :: number, a as number, a as B as C, -a :: T
        x = ({} as T), f() as T | nil, {a = 1} :: {a: number}
        x = a!, a.b!.c, g(msg.data!), (u!).name, a![1]!:m()!
        x = a! ~= b, a! == b
        x = @native function() end
        "#,
        ),
    );
}

/// The rows of the table of type syntax in the specification, in its order.
#[test]
fn types() {
    snapshot(
        "types",
        trees(
            r#"
        local x: T
        local function f(a: T, ...: T): T end
        local function f(): (T, U) end
        local function f(): () end
        local x: number, y: string, z: boolean, e: error
        local x: nil
        local x: T?, y: A | B, z: A & B, p: (T), a: {T}, m: {[K]: V}, r: {a: T, b: U}, e: {}
        local x: A | B & C?, y: | A | B, z: & A & B
        local x: "lit", y: true, z: false
        local x: (A, b: B, ...T) -> R
        local x: () -> (R1, R2), y: () -> (), z: (A) -> (B) -> C, p: <T>(T) -> ...T
        type N = T
        type N<A, B> = T<string, A, (B, C), ...D>
        local x: mod.Type, y: mod.Type<A>
        local x: typeof(f(1)), y: typeof({} :: T)[]
        local x: 123, y: -1 | 0 | 0x10
        local x: {field?: T, ["other"]: U; read a: A, write [string]: B}
        type N = number @min(0) @max(10)
        type R = {age: number @min(0), name: string @pattern("^a") @min_len(1), tags: {string @min_len(1)}}
        local x: number @min(-1.5) = 1
        local x: string? @max_len(3), y: A | B @flag
        local x: readonly {T}, y: readonly {[K]: V}, z: readonly {a: T}, w: {readonly a: T, readonly b?: U}, v: readonly T[]
        local x: T[], y: T[][], z: {T}[], w: (A | B)[], v: T?[]?
        local function f<T: Bound, U: {a: T}>(x: T) end
        local x: fun(a: T): R, y: fun(), z: fun(a?: T, ...U): (A, B), w: fun(A, B)?
        local x: interface {a: T, b?: U}
        local x: keyof(T), y: T[K], z: T["a"], w: T[K][]
        local x: A extends B ? C : D
        local x: A extends B? ? C? : D extends E ? (F) : G | H
        local x: {a: A extends {b: B?} ? (C) -> D : E}
        local function f(x: any): asserts x end
        local function f(x: any): asserts x is T | U end
        local x: {type: T, interface: T, readonly: T, as: T, asserts: T, is: T, keyof: T, extends: T, typeof: T}
        local x: {type?: T, readonly?: T, read?: T, read: T, write: T}
        local x: fun, y: readonly, z: keyof, interface: interface, as: as, is: is
        local x: fun<T>, y: keyof<T>
        x = y --[[@as T]]
        "#,
        ),
    );
}
