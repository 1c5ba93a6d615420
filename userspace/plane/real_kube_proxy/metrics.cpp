// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/real_kube_proxy/metrics.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>

#include "service/text.h"

namespace svcbench::kubernetes {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::uint64_t most_bytes = std::uint64_t{16} << 20;

// One request and its answer, each step started by the one before it. (Blocking calls know no time limit.)
class Exchange {
 public:
  Exchange(asio::io_context& context, std::uint16_t port) : stream_(context), port_(port) {
    parser_.body_limit(most_bytes);
  }

  void begin() {
    request_.set(http::field::host, "127.0.0.1");
    stream_.async_connect(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port_),
                          [this](beast::error_code error) {
                            if (goes_on(error)) {
                              write();
                            }
                          });
  }
  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] const beast::error_code& error() const { return error_; }
  [[nodiscard]] const http::response<http::string_body>& answer() const { return parser_.get(); }

 private:
  bool goes_on(beast::error_code error) {
    error_ = error;
    return !error;
  }
  void write() {
    http::async_write(stream_, request_, [this](beast::error_code error, std::size_t /*bytes*/) {
      if (goes_on(error)) {
        http::async_read(stream_, buffer_, parser_,
                         [this](beast::error_code read, std::size_t /*bytes*/) { done_ = goes_on(read); });
      }
    });
  }

  beast::tcp_stream stream_;
  std::uint16_t port_;
  http::request<http::empty_body> request_{http::verb::get, "/metrics", 11};
  beast::flat_buffer buffer_{};
  http::response_parser<http::string_body> parser_{};
  beast::error_code error_{};
  bool done_ = false;
};

}  // namespace

std::optional<SyncAccount> sync_account(std::string_view metrics) {
  constexpr std::string_view name = "kubeproxy_sync_proxy_rules_duration_seconds_";
  SyncAccount account;
  bool any_sum = false;
  bool any_count = false;
  while (!metrics.empty()) {
    std::string_view line = take_line(metrics);
    if (!line.starts_with(name)) {
      continue;
    }
    line.remove_prefix(name.size());
    const bool is_sum = line.starts_with("sum");
    if (!is_sum && !line.starts_with("count")) {
      continue;  // a bucket
    }
    const std::string_view text = trimmed(line.substr(std::min(line.rfind(' '), line.size())));
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(value >= 0)) {
      return std::nullopt;
    }
    if (is_sum) {
      account.seconds += value;
    } else {
      account.syncs += static_cast<std::uint64_t>(value);
    }
    (is_sum ? any_sum : any_count) = true;
  }
  return any_sum && any_count ? std::optional(account) : std::nullopt;
}

Result<std::string> fetch_metrics(std::uint16_t port, std::int64_t patience_ns) {
  asio::io_context context;
  Exchange exchange(context, port);
  exchange.begin();
  context.run_for(std::chrono::nanoseconds(patience_ns));
  if (!exchange.done()) {
    return failure("nobody answers for /metrics at 127.0.0.1:{}: {}", port,
                   exchange.error() ? exchange.error().message() : "no answer came in time");
  }
  if (exchange.answer().result() != http::status::ok) {
    return failure("/metrics at 127.0.0.1:{}: HTTP status {}", port, exchange.answer().result_int());
  }
  return exchange.answer().body();
}

}  // namespace svcbench::kubernetes
