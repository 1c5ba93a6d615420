// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/real_kube_proxy/api_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/version.hpp>
#include <charconv>
#include <chrono>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <thread>

#include "sys/signals_blocked.h"

namespace svcbench::kubernetes {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using Request = http::request<http::string_body>;

// How long a watch that nothing comes for sleeps before it looks whether it is still wanted.
constexpr std::chrono::milliseconds look_every{500};

// A path and its parameters: "/api/v1/services?watch=true&resourceVersion=7".
struct Target {
  std::string path{};
  std::string watch{};
  std::string version{};
  std::string initial{};  // sendInitialEvents
  std::chrono::seconds most{3600};
};

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

Target target_of(std::string_view text) {
  Target target;
  const std::size_t mark = text.find('?');
  target.path = text.substr(0, mark);
  std::string_view rest = mark == std::string_view::npos ? std::string_view{} : text.substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view parameter = rest.substr(0, end);
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    const std::string_view name = parameter.substr(0, equals);
    const std::string_view value = parameter.substr(std::min(equals + 1, parameter.size()));
    if (name == "watch") {
      target.watch = value;
    } else if (name == "resourceVersion") {
      target.version = value;
    } else if (name == "sendInitialEvents") {
      target.initial = value;
    } else if (name == "timeoutSeconds") {
      target.most = std::chrono::seconds(number_of<unsigned>(value).value_or(3600));
    }
    rest = rest.substr(std::min(end + 1, rest.size()));
  }
  return target;
}

bool is_true(std::string_view value) { return value == "true" || value == "1"; }

std::optional<Resource> resource_of(std::string_view path) {
  if (path == "/api/v1/services") {
    return Resource::services;
  }
  if (path == "/api/v1/nodes") {
    return Resource::nodes;
  }
  for (const std::string_view version : {"v1", "v1beta1"}) {
    if (path == fmt::format("/apis/discovery.k8s.io/{}/endpointslices", version)) {
      return Resource::endpoint_slices;
    }
    if (path == fmt::format("/apis/networking.k8s.io/{}/servicecidrs", version)) {
      return Resource::service_cidrs;
    }
  }
  return std::nullopt;
}

std::string status_object(unsigned code, std::string_view reason, std::string_view message) {
  return nlohmann::json{{"apiVersion", "v1"},  {"kind", "Status"}, {"metadata", nlohmann::json::object()},
                        {"status", "Failure"}, {"reason", reason}, {"message", message},
                        {"code", code}}
      .dump();
}

}  // namespace

class ApiServer::Impl {
 public:
  explicit Impl(ObjectStore& store) : store_(store), acceptor_(context_) {}

  Status listen() {
    beast::error_code error;
    const tcp::endpoint loopback(asio::ip::address_v4::loopback(), 0);
    acceptor_.open(loopback.protocol(), error);
    if (!error) {
      acceptor_.bind(loopback, error);
    }
    if (!error) {
      acceptor_.listen(asio::socket_base::max_listen_connections, error);
    }
    if (error) {
      return failure("cannot listen on 127.0.0.1 for kube-proxy: {} (is the loopback device up?)",
                     error.message());
    }
    port_ = acceptor_.local_endpoint().port();
    const SignalsBlocked blocked;
    accepting_ = std::thread([this] { accept(); });
    return {};
  }

  ~Impl() {
    store_.close();
    if (accepting_.joinable()) {
      // A blocking accept() does not see the acceptor close: somebody calls.
      stopping_ = true;
      beast::error_code ignored;
      tcp::socket caller(context_);
      caller.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port_), ignored);
      accepting_.join();
    }
    {
      const std::lock_guard lock(mutex_);
      for (Connection& one : connections_) {
        beast::error_code ignored;
        one.socket.shutdown(tcp::socket::shutdown_both, ignored);
      }
    }
    for (Connection& one : connections_) {
      one.thread.join();
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

  [[nodiscard]] std::vector<std::string> not_served() const {
    const std::lock_guard lock(mutex_);
    return {not_served_.begin(), not_served_.end()};
  }

 private:
  struct Connection {
    explicit Connection(tcp::socket from) : socket(std::move(from)) {}

    tcp::socket socket;
    std::thread thread{};
    std::atomic<bool> ended = false;
  };

  void accept() {
    while (!stopping_) {
      beast::error_code error;
      tcp::socket socket(context_);
      acceptor_.accept(socket, error);
      if (error || stopping_) {
        continue;
      }
      socket.set_option(tcp::no_delay(true), error);
      const std::lock_guard lock(mutex_);
      connections_.remove_if([](Connection& one) {
        if (one.ended) {
          one.thread.join();
        }
        return one.ended.load();
      });
      Connection& one = connections_.emplace_back(std::move(socket));
      one.thread = std::thread([this, &one] {
        serve(one.socket);
        const std::lock_guard closing(mutex_);  // the destructor may be about to shut it down
        beast::error_code ignored;
        one.socket.close(ignored);
        one.ended = true;
      });
    }
  }

  void serve(tcp::socket& socket) {
    beast::flat_buffer buffer;
    for (beast::error_code error; !error;) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(std::uint64_t{16} << 20);
      http::read(socket, buffer, parser, error);
      if (error) {
        return;
      }
      if (!answer(socket, parser.get(), error)) {
        return;
      }
    }
  }

  // False: the connection ends with it.
  bool answer(tcp::socket& socket, const Request& request, beast::error_code& error) {
    const Target target = target_of({request.target().data(), request.target().size()});
    const bool reads = request.method() == http::verb::get;
    const auto resource = reads ? resource_of(target.path) : std::nullopt;
    if (resource && is_true(target.watch)) {
      watch(socket, *resource, target, error);
      return false;
    }
    if (resource) {
      return reply(socket, request, http::status::ok, store_.list(*resource), error);
    }
    constexpr std::string_view nodes = "/api/v1/nodes/";
    if (reads && target.path.starts_with(nodes)) {
      const auto node = store_.get({Resource::nodes, target.path.substr(nodes.size())});
      return node ? reply(socket, request, http::status::ok, *node, error)
                  : reply(socket, request, http::status::not_found,
                          status_object(404, "NotFound", "there is no such node"), error);
    }
    if (!reads && target.path.find("/events") != std::string::npos) {
      return reply(socket, request, http::status::created, request.body(), error);
    }
    {
      const std::lock_guard lock(mutex_);
      not_served_.insert(fmt::format(
          "{} {}", std::string_view(request.method_string().data(), request.method_string().size()),
          target.path));
    }
    return reply(socket, request, http::status::not_found,
                 status_object(404, "NotFound", "svcbench serves what kube-proxy reads, and nothing else"),
                 error);
  }

  static bool reply(tcp::socket& socket, const Request& request, http::status status, std::string body,
                    beast::error_code& error) {
    http::response<http::string_body> response(status, request.version());
    response.set(http::field::content_type, "application/json");
    response.keep_alive(request.keep_alive());
    response.body() = std::move(body);
    response.prepare_payload();
    http::write(socket, response, error);
    return !error && request.keep_alive();
  }

  // Until the client goes, its time is over or the store is closed.
  void watch(tcp::socket& socket, Resource resource, const Target& target, beast::error_code& error) {
    const auto version = number_of<std::uint64_t>(target.version.empty() ? "0" : target.version);
    http::response<http::empty_body> head(http::status::ok, 11);
    head.set(http::field::content_type, "application/json");
    head.chunked(true);
    http::response_serializer<http::empty_body> serializer(head);
    if (is_true(target.initial) || !version) {
      const auto code = http::status::unprocessable_entity;
      http::response<http::string_body> refusal(code, 11);
      refusal.set(http::field::content_type, "application/json");
      refusal.body() = status_object(422, "Invalid", "a watch starts at a resourceVersion: list first");
      refusal.prepare_payload();
      refusal.keep_alive(false);
      http::write(socket, refusal, error);
      return;
    }
    http::write_header(socket, serializer, error);
    const auto send = [&](std::string_view line) {
      asio::write(socket, http::make_chunk(asio::buffer(line.data(), line.size())), error);
      return !error;
    };
    std::uint64_t seen = *version;
    if (seen == 0) {
      seen = store_.version();
      for (const Event& event : store_.as_added(resource)) {
        if (!send(event.line)) {
          return;
        }
      }
    }
    const auto end = std::chrono::steady_clock::now() + target.most;
    while (!error && !store_.is_closed() && std::chrono::steady_clock::now() < end) {
      const auto events = store_.events_after(resource, seen, look_every);
      if (!events) {
        const std::string gone = status_object(410, "Expired", "too old a resource version");
        send(fmt::format("{{\"type\":\"ERROR\",\"object\":{}}}\n", gone));
        break;
      }
      for (const Event& event : *events) {
        seen = event.version;
        if (!send(event.line)) {
          return;
        }
      }
      if (events->empty() && has_gone(socket)) {
        return;
      }
    }
    asio::write(socket, http::make_chunk_last(), error);
  }

  // A client that watches has nothing more to say: what can be read of it is its end.
  static bool has_gone(tcp::socket& socket) {
    beast::error_code error;
    socket.non_blocking(true, error);
    char byte = 0;
    socket.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
    const bool gone = error != asio::error::would_block && error != beast::error_code{};
    socket.non_blocking(false, error);
    return gone;
  }

  ObjectStore& store_;
  asio::io_context context_{};
  tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread accepting_{};
  mutable std::mutex mutex_{};  // of what follows
  std::list<Connection> connections_{};
  std::set<std::string> not_served_{};
};

ApiServer::ApiServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApiServer::~ApiServer() = default;

Result<std::unique_ptr<ApiServer>> ApiServer::start(ObjectStore& store) {
  auto impl = std::make_unique<Impl>(store);
  SVCB_CHECK(impl->listen());
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
}

std::uint16_t ApiServer::port() const { return impl_->port(); }

std::vector<std::string> ApiServer::not_served() const { return impl_->not_served(); }

}  // namespace svcbench::kubernetes
