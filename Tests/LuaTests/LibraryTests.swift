import Lua
import Testing

/// The library functions that are written again mean what Lua's manual says.
@Suite struct LibraryTests {
  /// Each line is true in Lua 5.4.
  static let truths = [
    // find, match
    "({('hello world'):find('o w')})[1] == 5",
    "('a.b'):find('.', 1, true) == 2",
    "('abc'):find('b', -1) == nil",
    "('abc'):find('', 10) == nil and ('abc'):find('', 4) == 4",
    "select(3, ('key = value'):find('(%w+)%s*=%s*(%w+)')) == 'key'",
    "('key = value'):match('^(%w+)') == 'key'",
    "('  trim  '):match('^%s*(.-)%s*$') == 'trim'",
    "('2024-01-31'):match('^(%d+)-(%d+)-(%d+)$') == '2024'",
    "('f(a(b)c)d'):match('%b()') == '(a(b)c)'",
    "('THE (quick) fox'):find('%f[%a]%a+%f[%A]') == 1",
    "('x'):match('()') == 1 and ('abab'):match('(ab)%1') == 'ab'",
    "('a]b'):match('[]]') == ']' and ('a-b'):match('[a%-]+') == 'a-'",
    "('a\\0b'):find('\\0') == 2 and ('x^y'):find('^', 1, true) == 2",
    "('aaa'):match('a-$') == 'aaa' and ('aaa'):match('a?a?a?a?') == 'aaa'",
    // gmatch, gsub
    "(function() local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do t[#t + 1] = k .. v end return table.concat(t) end)() == 'a1b2'",
    "(function() local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end return n end)() == 4",
    "('hello'):gsub('l', 'L') == 'heLLo' and select(2, ('hello'):gsub('l', 'L')) == 2",
    "('hello'):gsub('', '-') == '-h-e-l-l-o-'",
    "('abc'):gsub('%w', '%0%0') == 'aabbcc' and ('abc'):gsub('%w', '%%') == '%%%'",
    "('a b'):gsub('(%w) (%w)', '%2 %1') == 'b a'",
    "('$name is $x'):gsub('%$(%w+)', { name = 'Lua' }) == 'Lua is $x'",
    "('abc'):gsub('%w', function(c) if c == 'b' then return 'B' end end) == 'aBc'",
    "('abc'):gsub('^a', 'x') == 'xbc' and ('aaa'):gsub('a', 'b', 2) == 'bba'",
    "pcall(string.gsub, 'x', 'x', '%2') == false and pcall(string.rep) == false",
    // rep, format
    "('ab'):rep(3, '-') == 'ab-ab-ab' and ('x'):rep(0) == '' and ('x'):rep(-1) == ''",
    "('%5.2f|%-5s|%05d|%x|%q'):format(3.14159, 'ab', 42, 255, 'a\\n') == ' 3.14|ab   |00042|ff|\"a\\\\\\n\"'",
    "('%s %s %s'):format(nil, true, setmetatable({}, { __tostring = function() return 'T' end })) == 'nil true T'",
    "tostring(setmetatable({}, { __name = 'My.type' })) == 'My.type' and tostring(1e15) == '1e+15'",
    // tables
    "(function() local t = { 1, 2, 3 } table.insert(t, 2, 9) table.insert(t, 8) return table.concat(t, ',') end)() == '1,9,2,3,8'",
    "(function() local t = { 1, 2, 3 } local r = table.remove(t, 1) return r .. table.concat(t) .. #t end)() == '1232'",
    "table.remove({}) == nil and table.remove({}, 0) == nil and pcall(table.remove, { 1 }, 5) == false",
    "table.concat(table.move({ 1, 2, 3 }, 1, 3, 2), ',') == '1,1,2,3'",
    "table.concat(table.move({ 1, 2, 3 }, 2, 3, 1), ',') == '2,3,3'",
    "select('#', table.unpack({ 1, nil, 3 }, 1, 3)) == 3 and select('#', table.unpack({}, 1, 0)) == 0",
    "table.concat({ 1, 'a', 2.5 }, '-', 2, 3) == 'a-2.5' and pcall(table.concat, { {} }) == false",
    "(function() local t = { 3, 1, 2 } table.sort(t) return table.concat(t) end)() == '123'",
    "(function() local t = { 'b', 'a', 'C' } table.sort(t, function(a, b) return a:lower() > b:lower() end) return table.concat(t) end)() == 'Cba'",
    "(function() local t = { 3, 'a', 1 } local ok = pcall(table.sort, t) return not ok and t[1] == 3 and t[2] == 'a' and t[3] == 1 end)()",
    "#setmetatable({}, { __len = function() return 7 end }) == 7",
    // errors, protection
    "select(2, pcall(error, 'x', 0)) == 'x' and select('#', pcall(error)) == 2",
    "select(2, xpcall(error, function(m) return m .. '!' end, 'x', 0)) == 'x!'",
    "select('#', xpcall(function(...) return ... end, print or tostring, 1, nil, 3)) == 4",
    "getmetatable(setmetatable({}, { __metatable = 'locked' })) == 'locked'",
    "not pcall(setmetatable, setmetatable({}, { __metatable = 1 }), {})",
    // coroutines
    "(function() local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return co(1) + co(10) end)() == 22",
    "(function() local co = coroutine.create(function() error('x', 0) end) local ok, e = coroutine.resume(co) return not ok and e == 'x' and coroutine.status(co) == 'dead' end)()",
    "coroutine.isyieldable() == false and select(2, coroutine.running()) == true",
    "(function() local closed local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() closed = true end }) coroutine.yield() end) coroutine.resume(co) return coroutine.close(co) and closed end)()",
    "not pcall(coroutine.wrap(function() error('x') end)) and select(2, coroutine.resume(coroutine.create(function() end))) == nil",
    // the rest
    "tonumber('0x10') == 16 and tonumber('z', 36) == 35 and tonumber('1e1') == 10.0 and tonumber('x') == nil",
    "utf8.len('né') == 2 and utf8.char(233) == 'é' and #utf8.charpattern > 0",
    "string.unpack('<i4', string.pack('<i4', -7)) == -7 and math.type(1) == 'integer'",
    "next({}) == nil and rawlen({ 1, 2 }) == 2 and rawequal('a', 'a') and _VERSION == 'Lua 5.4'",
  ]

  @Test(arguments: truths) func `library functions keep their meaning`(_ truth: String) throws {
    for sandbox in [LuaSandbox.load, .run] {
      #expect(try Bench(sandbox).run("return \(truth)") == true)
    }
  }

  @Test func `sorting is stable`() throws {
    let order = try Bench().run(
      """
      local t = {}
      for i = 1, 1000 do t[i] = { i % 7, i } end
      table.sort(t, function(a, b) return a[1] < b[1] end)
      for i = 2, #t do
        if t[i - 1][1] == t[i][1] and t[i - 1][2] > t[i][2] then return i end
      end
      return "stable"
      """)
    #expect(order == "stable")
  }

  @Test func `errors name the function and the argument`() throws {
    let bench = try Bench()
    #expect(bench.failure("('x'):rep({})")?.message == "bad argument #1 to 'rep' (number expected, got table)")
    #expect(bench.failure("string.format('%d', 'x')")?.message.hasPrefix("bad argument #2 to 'format'") == true)
    #expect(
      bench.failure("table.concat({ 1, {} })")?.message == "invalid value (table) at index 2 in table for 'concat'")
    #expect(bench.failure("utf8.char({})")?.message.hasPrefix("bad argument #1 to 'char'") == true)
    #expect(
      try bench.run("return select(2, pcall(string.rep))")
        == "bad argument #1 to 'string.rep' (string expected, got no value)")
  }
}
