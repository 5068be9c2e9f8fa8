--- Instants, durations, waiting.
interface time
  --- The current instant in the local zone.
  function now(): Time
  --- An instant from its parts; what is out of range is carried over.
  function date(year: number, month: number, day: number, hour: number, minute: number, second: number, nanosecond: number, loc?: Location): Time
  function unix(sec: number, nsec: number): Time
  --- Reads an instant as the layout says.
  function parse(layout: string, value: string, loc?: Location): (Time?, error?)
  function parse_duration(d: number | string | Duration): (Duration?, error?)
  --- A zone by its IANA name, "UTC" or "Local".
  function load_location(name: string): (Location?, error?)
  function fixed_zone(name: string, offset_seconds: number): Location
  --- Waits; a number is nanoseconds.
  function sleep(d: number | string | Duration): (nil, error?)
  --- A channel that gets the instant once, then closes.
  function after(d: number | string | Duration): (channel.Channel?, error?)
  function timer(d: number | string | Duration): (Timer?, error?)
  function ticker(d: number | string | Duration): (Ticker?, error?)
  utc: Location
  localtz: Location
  NANOSECOND: number
  MICROSECOND: number
  MILLISECOND: number
  SECOND: number
  MINUTE: number
  HOUR: number
  JANUARY: number
  FEBRUARY: number
  MARCH: number
  APRIL: number
  MAY: number
  JUNE: number
  JULY: number
  AUGUST: number
  SEPTEMBER: number
  OCTOBER: number
  NOVEMBER: number
  DECEMBER: number
  SUNDAY: number
  MONDAY: number
  TUESDAY: number
  WEDNESDAY: number
  THURSDAY: number
  FRIDAY: number
  SATURDAY: number
  RFC3339: string
  RFC3339NANO: string
  RFC822: string
  RFC822Z: string
  RFC850: string
  RFC1123: string
  RFC1123Z: string
  KITCHEN: string
  STAMP: string
  STAMP_MILLI: string
  STAMP_MICRO: string
  STAMP_NANO: string
  DATE_TIME: string
  DATE_ONLY: string
  TIME_ONLY: string
end

--- An instant in a zone.
interface Time
  function add(d: number | string | Duration): Time
  function sub(t: Time): Duration
  function add_date(years: number, months: number, days: number): Time
  function before(t: Time): boolean
  function after(t: Time): boolean
  --- The same instant, whatever the zone.
  function equal(t: Time): boolean
  function format(layout: string): string
  function format_rfc3339(): string
  --- Seconds since 1970.
  function unix(): integer
  function unix_nano(): integer
  --- Year, month, day.
  function date(): (integer, integer, integer)
  --- Hour, minute, second.
  function clock(): (integer, integer, integer)
  function year(): integer
  function month(): integer
  function day(): integer
  function hour(): integer
  function minute(): integer
  function second(): integer
  function nanosecond(): integer
  --- 0 is Sunday.
  function weekday(): integer
  function year_day(): integer
  function is_zero(): boolean
  function utc(): Time
  function in_local(): Time
  function in_location(loc: Location): Time
  function location(): Location
  function round(d: Duration): Time
  function truncate(d: Duration): Time
end

--- A span of time.
interface Duration
  function nanoseconds(): integer
  function microseconds(): integer
  function milliseconds(): integer
  function seconds(): number
  function minutes(): number
  function hours(): number
end

--- A zone.
interface Location
  function string(): string
end

--- Fires once.
interface Timer
  function response(): channel.Channel
  function channel(): channel.Channel
  --- Was it pending?
  function stop(): boolean
  --- Starts anew if it was pending.
  function reset(d: number | string | Duration): boolean
end

--- Fires again and again.
interface Ticker
  function response(): channel.Channel
  function channel(): channel.Channel
  function stop(): boolean
end
