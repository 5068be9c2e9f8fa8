--- Time of day.
interface os
  --- Unix seconds: now, or of the local date in a table.
  function time(t?: table): number
  --- The date as text, or with "*t" as a table.
  function date(format?: string, ts?: number): any
  --- Seconds since the runtime started.
  function clock(): number
  --- `a - b`.
  function difftime(a: number, b: number): number
  --- "wippy".
  platform: string
end
