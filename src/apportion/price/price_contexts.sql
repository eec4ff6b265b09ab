-- What decides a list price, once for all cells that share it.
--
-- Reads   cells    usage cells before pricing
-- Writes  nothing: it yields the contexts with their first and last day of use
-- Grain   provider, model, service tier, processing, region, speed, context bracket
SELECT
  provider,
  model,
  service_tier,
  processing,
  region,
  speed,
  context_bracket,
  MIN(day) AS day_from,
  MAX(day) AS day_last
FROM cells
GROUP BY provider, model, service_tier, processing, region, speed, context_bracket
