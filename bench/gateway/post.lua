-- What wrk posts, and what it says of it in one line of JSON. BENCH_BODY names a file, BENCH_HEADERS has a header a line.
wrk.method = "POST"
wrk.body = io.open(os.getenv("BENCH_BODY"), "rb"):read("*a")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json"
wrk.headers["User-Agent"] = "OpenAI/Python 3.56.0"
for name, value in os.getenv("BENCH_HEADERS"):gmatch("([^:\n]+): ([^\n]+)") do
  wrk.headers[name] = value
end

done = function(summary, latency)
  local wrong = summary.errors
  io.write(string.format(
    '\n{"calls":%d,"seconds":%.6f,"bad_status":%d,"cut":%d,"median_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration / 1e6, wrong.status,
    wrong.connect + wrong.read + wrong.write + wrong.timeout, latency:percentile(50), latency:percentile(99)))
end
