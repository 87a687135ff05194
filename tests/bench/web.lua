-- Sends what the environment says and reports as one line of JSON.
wrk.method = os.getenv("BENCH_METHOD") or "GET"
wrk.body = os.getenv("BENCH_BODY")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. (os.getenv("BENCH_KEY") or "")

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'REPORT {"rate": %f, "p50_ms": %f, "p95_ms": %f, "p99_ms": %f, "failed": %d}\n',
        summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
