// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a document quotes is what the file has: "<!-- from PATH -->" before a block of code names the file.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "documents.h"

namespace svcbench {
namespace {

std::string text_of(const std::string& path) {
  return testing::text_of(std::string(SVCBENCH_SOURCE) + "/" + path);
}

struct Quote {
  std::string file;
  std::string text;
};

std::vector<Quote> quotes_in(const std::string& document) {
  const std::string mark = "<!-- from ";
  std::vector<Quote> quotes;
  for (std::size_t at = document.find(mark); at != std::string::npos; at = document.find(mark, at + 1)) {
    const std::size_t name = at + mark.size();
    const std::size_t fence = document.find("\n```", name);
    const std::size_t begin = document.find('\n', fence + 1) + 1;
    const std::size_t end = document.find("\n```\n", begin) + 1;
    quotes.push_back(
        {document.substr(name, document.find(" -->", name) - name), document.substr(begin, end - begin)});
  }
  return quotes;
}

}  // namespace

TEST_CASE("CONTRIBUTING.md quotes the example as it is") {
  const auto quotes = quotes_in(text_of("CONTRIBUTING.md"));
  CHECK(quotes.size() >= 4);
  for (const Quote& quote : quotes) {
    CAPTURE(quote.file);
    CAPTURE(quote.text);
    const std::string file = text_of(quote.file);
    CHECK(!file.empty());
    CHECK(quote.text.size() > 40);
    CHECK(file.find("\n" + quote.text) != std::string::npos);
  }
}

TEST_CASE("a quote that is not in its file would be seen") {
  const auto quotes = quotes_in("text\n<!-- from a/b -->\n```cpp\none\ntwo\n```\nmore\n");
  REQUIRE(quotes.size() == 1);
  CHECK(quotes[0].file == "a/b");
  CHECK(quotes[0].text == "one\ntwo\n");
}

}  // namespace svcbench
