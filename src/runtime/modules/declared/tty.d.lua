--- Keys, mouse and size of the terminal, and texts that look good on it.
interface tty
  --- Key by key, with events; the first one is `start`.
  function start(): (boolean?, error?)
  --- Back to lines. The channel of events stays open.
  function stop(): (boolean?, error?)
  --- The channel of events, of sort `tty.Event`; for one taker.
  function events(): (channel.Channel?, error?)
  --- Columns and rows.
  function screen_size(): (integer?, integer?, error?)
  --- Events of the mouse too, or no longer.
  function mouse(on: boolean): (boolean?, error?)
  --- Keys such as "ctrl+c", "q" or "runes" that mean something.
  function bind(binding: {keys: {string}, help: {key: string?, desc: string?}?}): Binding
  --- A style that changes nothing yet.
  function style(): Style
  --- Sizes of texts, and putting them together.
  text: Text
  --- Names of borders.
  borders: Borders
  --- Positions for `Style:align`.
  align: Align
end

--- What happens at the terminal.
interface Event
  type: "key" | "mouse" | "resize" | "start" | "focus" | "paste"
  --- Of a key: its character or name.
  key: string?
  --- "runes" for characters, else the name or "unknown".
  key_type: string?
  --- "press", "release"; of the mouse "motion" and "wheel" too.
  action: string?
  alt: boolean?
  ctrl: boolean?
  shift: boolean?
  --- Of the mouse.
  button: string?
  x: number?
  y: number?
  --- Of `resize` and `start`.
  width: number?
  height: number?
  --- Of `focus`.
  focused: boolean?
  --- Of `paste`.
  text: string?
end

--- Keys that mean something.
interface Binding
  --- Is it enabled, and the event one of its keys?
  function matches(event: any): boolean
  --- Returns the binding.
  function set_enabled(on: boolean): Binding
  function is_enabled(): boolean
  function help(): {key: string, desc: string}
end

--- How a text looks. A style never changes: every method gives another one.
interface Style
  --- "#RGB", "#RRGGBB" or "0" to "255".
  function foreground(color: string): Style
  function background(color: string): Style
  function bold(on?: boolean): Style
  function italic(on?: boolean): Style
  function underline(on?: boolean): Style
  function strikethrough(on?: boolean): Style
  function faint(on?: boolean): Style
  function blink(on?: boolean): Style
  function reverse(on?: boolean): Style
  --- All on one line.
  function inline(on?: boolean): Style
  --- With padding, without border and margin; texts wrap to it.
  function width(columns: number): Style
  function height(rows: number): Style
  function max_width(columns: number): Style
  function max_height(rows: number): Style
  --- One to four numbers, in the order of CSS.
  function padding(top: number, right?: number, bottom?: number, left?: number): Style
  function margin(top: number, right?: number, bottom?: number, left?: number): Style
  --- 0 is left, 0.5 the middle, 1 right.
  function align(position: number): Style
  --- 0 is top, 0.5 the middle, 1 bottom.
  function align_vertical(position: number): Style
  --- One of `tty.borders`, on the sides that are said or all.
  function border(name: string, top?: boolean, right?: boolean, bottom?: boolean, left?: boolean): Style
  --- One to four colours, in the order of CSS.
  function border_foreground(top: string, right?: string, bottom?: string, left?: string): Style
  function border_background(top: string, right?: string, bottom?: string, left?: string): Style
  --- The same style.
  function copy(): Style
  --- Its arguments, joined by blanks, in this style.
  function render(...: any): string
end

--- Sizes of texts, and putting them together. Called with a dot.
interface Text
  --- Columns of the widest line.
  width: (text: string) -> integer
  --- Lines.
  height: (text: string) -> integer
  --- Both.
  size: (text: string) -> (integer, integer)
  --- Of the widest text.
  max_width: (texts: {string}) -> integer
  max_height: (texts: {string}) -> integer
  --- Side by side, aligned at a position between 0 (top) and 1 (bottom).
  join_horizontal: (position: number, ...string) -> string
  --- Below one another, aligned at a position between 0 (left) and 1 (right).
  join_vertical: (position: number, ...string) -> string
  --- In the midst of blanks, if it is smaller.
  place: (width: number, height: number, across: number, down: number, text: string) -> string
  place_horizontal: (width: number, position: number, text: string) -> string
  place_vertical: (height: number, position: number, text: string) -> string
  position: Position
end

--- Names of borders.
interface Borders
  NORMAL: string
  ROUNDED: string
  THICK: string
  DOUBLE: string
  HIDDEN: string
end

--- Positions of what stands in a line.
interface Align
  LEFT: number
  CENTER: number
  RIGHT: number
end

--- Positions in both directions.
interface Position
  TOP: number
  LEFT: number
  CENTER: number
  BOTTOM: number
  RIGHT: number
end
