#!/usr/bin/env escript
%%! +P 4000000
%% The other side of the comparison: the same workloads as in `../wippy/src`, which say what each
%% does, with maps for tables. `main` is `run.lua`: a line of JSON for each measurement, then a wait
%% for a line of input.
-mode(compile).

%% Writes this program compiled: one that compiles itself has the compiler and its garbage in memory.
main(["build", File]) ->
    {ok, Sections} = escript:extract(escript:script_name(), [compile_source]),
    {source, Beam} = lists:keyfind(source, 1, Sections),
    ok = escript:create(File, [shebang, {emu_args, "+P 4000000"}, {beam, Beam}]),
    io:format("OTP ~s, ERTS ~s, ~s~n",
        [erlang:system_info(otp_release), erlang:system_info(version), erlang:system_info(emu_flavor)]);
main([Name | Arguments]) ->
    Driver = self(),
    Numbers = [number(Argument) || Argument <- Arguments],
    {Workload, Monitor} =
        spawn_monitor(fun() -> exit({value, run(list_to_atom(Name), Driver, Numbers)}) end),
    drive(Workload, Monitor).

drive(Workload, Monitor) ->
    receive
        {report, Measurement} ->
            show(Measurement),
            Workload ! go,
            drive(Workload, Monitor);
        {'DOWN', Monitor, process, _, {value, Measurements}} ->
            lists:foreach(fun show/1, Measurements),
            io:format("{\"done\":1}~n"),
            halt(0);
        {'DOWN', Monitor, process, _, Reason} ->
            io:format(standard_error, "~p~n", [Reason]),
            halt(1)
    end.

show(Measurement) ->
    Fields = [io_lib:format("\"~s\":~s", [Key, json(Value)])
              || {Key, Value} <- maps:to_list(Measurement)],
    io:format("{~s}~n", [lists:join(",", Fields)]),
    io:get_line("").

json(Value) when is_integer(Value) -> integer_to_list(Value);
json(Value) -> ["\"", Value, "\""].

number(Text) ->
    try list_to_integer(Text) catch error:badarg -> Text end.

report(Driver, Measurement) ->
    Driver ! {report, Measurement},
    receive go -> ok end.

now_ns() -> erlang:monotonic_time(nanosecond).

%% Runs once with a tenth of the work, then measured.
measured(Operations, Count, Round) ->
    Round(Count div 10),
    Begin = now_ns(),
    Round(Count),
    Elapsed = now_ns() - Begin,
    [#{operations => Operations, ns => Elapsed}].

times(0, _) -> ok;
times(Count, Action) -> Action(), times(Count - 1, Action).

%% Takes the ends of so many monitored processes.
ended(0, _) -> ok;
ended(Count, Value) ->
    receive
        {'DOWN', _, process, _, {value, Value}} -> ended(Count - 1, Value)
    end.

run(spawn, _, [Spawners, Each]) ->
    measured(Spawners * Each, Each, fun(Count) ->
        times(Spawners, fun() -> spawn_monitor(fun() -> spawner(Count, 0) end) end),
        ended(Spawners, Count * (Count + 1) div 2)
    end);
run(pairs, _, [Pairs, Trips]) ->
    measured(Pairs * Trips, Trips, fun(Count) ->
        times(Pairs, fun() -> spawn_monitor(fun() -> ping(Count) end) end),
        ended(Pairs, Count)
    end);
run(fan_in, _, [Senders, Each]) ->
    measured(Senders * Each, Each, fun(Count) ->
        Receiver = self(),
        times(Senders, fun() -> spawn(fun() -> sender(Receiver, 1, Count) end) end),
        Sum = Senders * Count * (Count + 1) div 2,
        Sum = work(Senders * Count, 0)
    end);
run(ring, _, [Members, Laps]) ->
    First = lists:foldl(
        fun(_, Successor) -> spawn(fun() -> member(Successor) end) end,
        self(), lists:seq(2, Members)),
    Measurements = measured(Members * Laps, Laps, fun(Count) -> laps(First, Members, 1, Count, 0) end),
    First ! stop,
    receive stop -> Measurements end;
run(echo, _, [Clients, Each]) ->
    echo_round(Clients, Each div 10),
    Begin = now_ns(),
    Latencies = echo_round(Clients, Each),
    Elapsed = now_ns() - Begin,
    [#{operations => Clients * Each, ns => Elapsed,
       p50_ns => percentile(Latencies, 0.5), p99_ns => percentile(Latencies, 0.99)}];
run(idle, Driver, [Count]) ->
    start_idle(1),
    report(Driver, #{name => "before"}),
    Begin = now_ns(),
    Samples = idle_batches(Count),
    Elapsed = now_ns() - Begin,
    report(Driver, #{name => "alive", operations => Count, ns => Elapsed}),
    lists:foreach(fun(Pid) -> Pid ! ask, receive here -> ok end end, Samples),
    [];
run(timers, Driver, [Holders, Each, DelayMs]) ->
    report(Driver, #{name => "before"}),
    Self = self(),
    Begin = now_ns(),
    Due = Begin + DelayMs * 1000000,
    times(Holders, fun() -> spawn_monitor(fun() -> holder(Self, Each, Due) end) end),
    times(Holders, fun() -> receive pending -> ok end end),
    Started = now_ns(),
    true = Started < Due,
    report(Driver, #{name => "pending", operations => Holders * Each, ns => Started - Begin}),
    ended(Holders, Each),
    Fired = now_ns() - Due,
    [#{name => "fired", operations => Holders * Each, ns => Fired}];
run(sizes, _, [_Host | Sizes]) ->
    Partner = spawn(fun sizes_echo/0),
    Measurements = sizes(Partner, Sizes),
    Partner ! stop,
    Measurements;
run(cpu, _, [Workers, Units]) ->
    measured(Workers * Units, Units, fun(Count) ->
        times(Workers, fun() -> spawn_monitor(fun() -> exit({value, cpu(Count, 0)}) end) end),
        ended(Workers, Count * 2584)
    end).

%% spawn

spawner(0, Sum) -> exit({value, Sum});
spawner(Count, Sum) ->
    {_, Monitor} = spawn_monitor(fun() -> exit({value, Count}) end),
    receive
        {'DOWN', Monitor, process, _, {value, Number}} -> spawner(Count - 1, Sum + Number)
    end.

%% pairs

ping(Trips) ->
    Partner = spawn(fun pong/0),
    ping(Partner, 1, Trips),
    Partner ! stop,
    exit({value, Trips}).

ping(_, I, Trips) when I > Trips -> ok;
ping(Partner, I, Trips) ->
    Partner ! {ping, #{sender => self(), seq => I, data => <<"hello world">>}},
    receive
        {pong, #{seq := I, data := <<"hello world">>}} -> ping(Partner, I + 1, Trips)
    end.

pong() ->
    receive
        stop -> ok;
        {ping, #{sender := Sender, seq := Seq, data := Data}} ->
            Sender ! {pong, #{sender => self(), seq => Seq, data => Data}},
            pong()
    end.

%% fan_in

sender(_, I, Count) when I > Count -> ok;
sender(To, I, Count) ->
    To ! {work, #{sender => self(), seq => I, data => <<"hello world">>}},
    sender(To, I + 1, Count).

work(0, Sum) -> Sum;
work(Left, Sum) ->
    receive {work, #{seq := Seq}} -> work(Left - 1, Sum + Seq) end.

%% ring

member(Successor) ->
    receive
        stop -> Successor ! stop;
        {token, #{seq := Seq, data := Data}} ->
            Successor ! {token, #{sender => self(), seq => Seq + 1, data => Data}},
            member(Successor)
    end.

laps(_, _, Lap, Laps, _) when Lap > Laps -> ok;
laps(First, Members, Lap, Laps, Seq) ->
    First ! {token, #{sender => self(), seq => Seq + 1, data => <<"hello world">>}},
    Next = Lap * Members,
    receive
        {token, #{seq := Next}} -> laps(First, Members, Lap + 1, Laps, Next)
    end.

%% echo

echo_round(Clients, Each) ->
    {Relay, RelayMonitor} = spawn_monitor(fun() -> relay(0, 0, false) end),
    times(Clients, fun() -> spawn_monitor(fun() -> client(Relay, 1, Each, []) end) end),
    Latencies = echo_clients(Clients, []),
    Relay ! stop,
    Ended = Clients * Each,
    receive
        {'DOWN', RelayMonitor, process, _, {value, Ended}} -> lists:sort(Latencies)
    end.

echo_clients(0, Latencies) -> Latencies;
echo_clients(Left, Latencies) ->
    receive
        {'DOWN', _, process, _, {latencies, Some}} -> echo_clients(Left - 1, Some ++ Latencies)
    end.

relay(0, Ended, true) -> exit({value, Ended});
relay(Alive, Ended, Stopping) ->
    receive
        {'DOWN', _, process, _, normal} -> relay(Alive - 1, Ended + 1, Stopping);
        stop -> relay(Alive, Ended, true);
        {request, #{sender := Sender, seq := Seq, data := Data}} ->
            spawn_monitor(fun() -> worker(Sender, Seq, Data) end),
            relay(Alive + 1, Ended, Stopping)
    end.

worker(Client, Seq, Data) ->
    Client ! {echo, #{sender => self(), seq => Seq, data => Data}},
    ok.

client(_, I, Each, Latencies) when I > Each -> exit({latencies, Latencies});
client(Relay, I, Each, Latencies) when I rem 16 =:= 0 ->
    Begin = now_ns(),
    request(Relay, I),
    client(Relay, I + 1, Each, [now_ns() - Begin | Latencies]);
client(Relay, I, Each, Latencies) ->
    request(Relay, I),
    client(Relay, I + 1, Each, Latencies).

request(Relay, I) ->
    Relay ! {request, #{sender => self(), seq => I, data => <<"hello world">>}},
    receive {echo, #{seq := I, data := <<"hello world">>}} -> ok end.

percentile([], _) -> 0;
percentile(Sorted, Part) -> lists:nth(max(1, ceil(length(Sorted) * Part)), Sorted).

%% idle

idle(To) ->
    To ! ready,
    receive ask -> ok end,
    To ! here,
    receive stop -> ok end.

start_idle(Count) ->
    Self = self(),
    Pids = [spawn(fun() -> idle(Self) end) || _ <- lists:seq(1, Count)],
    times(Count, fun() -> receive ready -> ok end end),
    lists:last(Pids).

idle_batches(0) -> [];
idle_batches(Count) ->
    Batch = min(1000, Count),
    Sample = start_idle(Batch),
    [Sample | idle_batches(Count - Batch)].

%% timers

holder(Main, Count, Due) ->
    start_timers(1, Count, Due, 0),
    Main ! pending,
    fired(Count),
    exit({value, Count}).

start_timers(I, Count, _, _) when I > Count -> ok;
start_timers(I, Count, Due, _) when I rem 1000 =:= 1 ->
    Left = (Due - now_ns() + 999999) div 1000000, % never early
    erlang:start_timer(Left, self(), I),
    start_timers(I + 1, Count, Due, Left);
start_timers(I, Count, Due, Left) ->
    erlang:start_timer(Left, self(), I),
    start_timers(I + 1, Count, Due, Left).

fired(0) -> ok;
fired(Left) -> receive {timeout, _, _} -> fired(Left - 1) end.

%% sizes

sizes(_, []) -> [];
sizes(Partner, [Size, Trips | Rest]) ->
    Data = binary:copy(<<"x">>, Size),
    [Measurement] = measured(Trips, Trips, fun(Count) -> sizes_round(Partner, 1, Count, Data, Size) end),
    [Measurement#{name => integer_to_list(Size)} | sizes(Partner, Rest)].

sizes_round(_, I, Trips, _, _) when I > Trips -> ok;
sizes_round(Partner, I, Trips, Data, Size) ->
    Partner ! {request, #{sender => self(), seq => I, data => Data}},
    receive
        {echo, #{seq := I, data := Answer}} when byte_size(Answer) =:= Size -> ok
    end,
    sizes_round(Partner, I + 1, Trips, Data, Size).

sizes_echo() ->
    receive
        stop -> ok;
        {request, #{sender := Sender, seq := Seq, data := Data}} ->
            Sender ! {echo, #{sender => self(), seq => Seq, data => Data}},
            sizes_echo()
    end.

%% cpu

cpu(0, Sum) -> Sum;
cpu(Units, Sum) ->
    1043618065 = steps(10000, 1),
    cpu(Units - 1, Sum + fib(18)).

fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).

steps(0, X) -> X;
steps(Count, X) -> steps(Count - 1, X * 16807 rem 2147483647).
