-- What pods use, as the metrics server says.

local api = require "api"

local usage = {}

local factors = {
  [""] = 1, n = 1e-9, u = 1e-6, m = 1e-3, k = 1e3, M = 1e6, G = 1e9, T = 1e12,
  Ki = 1024, Mi = 1024 ^ 2, Gi = 1024 ^ 3, Ti = 1024 ^ 4,
}

-- A quantity such as `250m` or `128Mi`; nil for what is none.
function usage.quantity(text)
  local number, suffix = string.match(tostring(text), "^([%d.]+)(%a*)$")
  local factor = factors[suffix or "?"]
  return number and factor and tonumber(number) * factor or nil
end

function usage.path(namespace)
  return "/apis/metrics.k8s.io/v1beta1/namespaces/" .. namespace .. "/pods"
end

-- Sums by token, of all pods of this agent in the namespaces of the handles.
function usage.by_token(ctx, handles)
  local sums, asked = {}, {}
  for _, handle in ipairs(handles) do
    if not asked[handle.namespace] then
      asked[handle.namespace] = true
      local items, err, status = api.list(ctx, usage.path(handle.namespace), "lunaport/owner=" .. ctx.owner)
      -- Without a metrics server there is nothing to say, and nothing wrong.
      if not items and status ~= 404 and status ~= 503 then return nil, err end
      for _, pod in ipairs(items or {}) do
        local token = (pod.metadata.labels or {})["lunaport/token"]
        if token then
          local sum = sums[token] or { cpu = 0, memory = 0 }
          sums[token] = sum
          for _, container in ipairs(pod.containers or {}) do
            sum.cpu = sum.cpu + (usage.quantity(container.usage.cpu) or 0)
            sum.memory = sum.memory + math.floor(usage.quantity(container.usage.memory) or 0)
          end
        end
      end
    end
  end
  return sums
end

return usage
