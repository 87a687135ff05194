-- A hundred users on as many connections: of ten requests one submits, one deletes, one reads the history and seven poll
-- what was submitted lately. Every answer is a line of the journal: seconds, status, whether it is stale or lacks a
-- Retry-After, and the id that was accepted. Nothing is asked about that was deleted before.
local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long seconds; long nanoseconds; } moment;
    int clock_gettime(int clock, moment *into);
]]
local now = ffi.new("moment")

local RECENT, KEPT = 400, 700
local BODY = '{"prompt": "What is it, number %d?", "media_url": "http://example.com/a.mp4"}'
local headers = {["Content-Type"] = "application/json"}
local ids, oldest, latest, turn = {}, 1, 0, 0
local journal, submit, history

function init()
    local key = os.getenv("BENCH_KEY")
    if key and key ~= "" then headers["Authorization"] = "Bearer " .. key end
    journal = io.open(os.getenv("BENCH_JOURNAL"), "w")
    journal:setvbuf("full", 65536)
    history = wrk.format("GET", "/api/media/history", headers)
end

local pause = tonumber(os.getenv("BENCH_PAUSE_MS") or "0")
if pause > 0 then
    function delay() return math.random(0, 2 * pause) end
end

function request()
    turn = turn + 1
    local what = turn % 10
    if what == 1 or latest == 0 then
        return wrk.format("POST", "/api/media/analyze", headers, BODY:format(turn))
    elseif what == 4 then
        return history
    elseif what == 7 and latest - oldest > KEPT then
        oldest = oldest + 1
        return wrk.format("DELETE", "/api/media/" .. ids[oldest - 1], headers)
    end
    local followed = ids[math.random(math.max(oldest, latest - RECENT), latest)]
    return wrk.format("GET", "/api/media/status/" .. followed, headers)
end

function response(status, got, body)
    local id, mark = "", "-"
    if status == 202 then
        id = body:match('"analysis_id":"([^"]+)"')
        latest = latest + 1
        ids[latest] = id
    elseif status == 200 and got["cache-status"] and got["age"] then
        mark = "stale"
    elseif status == 503 and not got["retry-after"] then
        mark = "silent"
    end
    ffi.C.clock_gettime(0, now)
    local seconds = tonumber(now.seconds) + tonumber(now.nanoseconds) / 1e9
    journal:write(string.format("%.3f %d %s %s\n", seconds, status, mark, id))
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'REPORT {"rate": %f, "p50_ms": %f, "p95_ms": %f, "p99_ms": %f, "failed": %d}\n',
        summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000,
        errors.connect + errors.read + errors.write + errors.timeout))
end
