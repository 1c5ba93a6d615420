// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "model/plane_model.h"

#include <fmt/format.h>

#include <algorithm>

namespace svcbench::model {
namespace {

constexpr std::uint8_t tcp = 6;
constexpr std::uint16_t node_ports_first = 30'000;
constexpr std::uint16_t node_ports_last = 32'767;
constexpr std::uint32_t believed_window = 65'535;
constexpr std::uint32_t least_mtu = 1280;

// Of the ports that sixteen draws meet, at least this share must be taken before a full range is believed:
// a tenth has all of them meet taken ones once in 10^16.
constexpr double full_share = 0.1;

}  // namespace

// ---- the life of a flow ----

Progress after(Progress progress, bool tcp, const Segment& segment, End sender, bool believed) {
  const bool backend = sender == End::backend;
  if (!tcp) {
    progress.answered = progress.answered || backend;
    progress.open = progress.answered;
    return progress;
  }
  if (!progress.answered && !progress.midstream && !backend && !segment.rst) {
    progress.reset = progress.reset && segment.syn;
    return progress;  // SYN sent: only an answer ends that
  }
  progress.answered = progress.answered || backend;
  if (segment.rst) {
    progress.reset = progress.reset || believed;
    return progress;
  }
  if (segment.syn) {
    return progress;
  }
  progress.reset = false;
  progress.open = progress.answered;
  if (segment.fin) {
    (backend ? progress.backend_fin : progress.client_fin) = true;
  }
  return progress;
}

double idle_seconds(const FlowTimeouts& timeouts, bool tcp, const Progress& progress) {
  if (!tcp) {
    return progress.answered ? timeouts.udp_stream : timeouts.udp;
  }
  if (progress.reset) {
    return timeouts.close;
  }
  if (progress.client_fin && progress.backend_fin) {
    return timeouts.time_wait;
  }
  if (!progress.answered) {
    return progress.midstream ? timeouts.unacknowledged : timeouts.syn_sent;
  }
  if (progress.client_fin || progress.backend_fin) {
    return timeouts.half_closed;
  }
  return progress.open ? timeouts.established : timeouts.syn_received;
}

std::string to_string(const Progress& progress) {
  return fmt::format("{}{}{}{}{}{}", progress.midstream ? "mid-stream " : "",
                     progress.answered ? "answered " : "", progress.open ? "open " : "",
                     progress.client_fin ? "client's-FIN " : "",
                     progress.backend_fin ? "backend's-FIN " : "", progress.reset ? "reset " : "");
}

bool PlaneModel::is_open(const Progress& progress) {
  return progress.open && !progress.reset && !progress.client_fin;
}

bool PlaneModel::is_alive(const Flow& flow) const {
  return now_ - flow.seen <= idle_seconds(settings_.timeouts, flow.in.protocol == tcp, flow.progress);
}

// ---- services ----

void PlaneModel::set(const Service& service) {
  services_[service.frontend] = service;
  static std::uint64_t version = 0;
  versions_[service.frontend] = ++version;
}

void PlaneModel::remove(const Frontend& frontend) { services_.erase(frontend); }

const Service* PlaneModel::find(const Endpoint& dialled, std::uint8_t protocol) const {
  const auto exact = services_.find({dialled.address, dialled.port, static_cast<Protocol>(protocol)});
  if (exact != services_.end()) {
    return &exact->second;
  }
  if (dialled.port < node_ports_first || dialled.port > node_ports_last ||
      std::find(settings_.nodes.begin(), settings_.nodes.end(), dialled.address) == settings_.nodes.end()) {
    return nullptr;
  }
  const Address any{.bytes = {}, .family = dialled.address.family};
  const auto node_port = services_.find({any, dialled.port, static_cast<Protocol>(protocol)});
  return node_port == services_.end() ? nullptr : &node_port->second;
}

bool PlaneModel::is_backend(const Endpoint& at) const {
  return std::any_of(services_.begin(), services_.end(), [&](const auto& entry) {
    const Service& service = entry.second;
    const auto has = [&](const std::vector<Endpoint>& all) {
      return std::find(all.begin(), all.end(), at) != all.end();
    };
    return has(service.endpoints) || has(service.terminating);
  });
}

std::optional<Address> PlaneModel::node(Family family) const {
  const auto first = std::find_if(settings_.nodes.begin(), settings_.nodes.end(),
                                  [family](const Address& address) { return address.family == family; });
  return first == settings_.nodes.end() ? std::nullopt : std::optional(*first);
}

bool PlaneModel::masquerades(const Service& service, const Address& client, const Endpoint& backend) const {
  if (!node(client.family)) {
    return false;
  }
  if (client == backend.address) {
    return true;
  }
  return service.kind == FrontendKind::cluster_ip ? !settings_.is_pod(client) : !service.local_only;
}

// What a new flow's endpoint may be: one, where the page or an earlier packet says which.
std::vector<Endpoint> PlaneModel::choices(const Service& service, const Tuple& tuple) {
  if (service.affinity_seconds > 0) {
    const auto session = sessions_.find({service.frontend, tuple.from.address});
    if (session != sessions_.end() && now_ - session->second.seen <= service.affinity_seconds) {
      const auto& backend = session->second.backend;
      if (!backend) {
        return service.endpoints;
      }
      if (std::find(service.endpoints.begin(), service.endpoints.end(), *backend) !=
          service.endpoints.end()) {
        return {*backend};
      }
    }
  }
  const auto known = hashed_.find(tuple);
  if (known != hashed_.end() && known->second.first == versions_.at(service.frontend)) {
    return {known->second.second};
  }
  return service.endpoints;
}

void PlaneModel::chosen(const Service& service, const Tuple& tuple,
                        const std::optional<Endpoint>& backend) {
  bool by_hash = true;
  if (service.affinity_seconds > 0) {
    const std::pair key{service.frontend, tuple.from.address};
    const auto session = sessions_.find(key);
    by_hash = session == sessions_.end() || now_ - session->second.seen > service.affinity_seconds ||
              (session->second.backend && std::find(service.endpoints.begin(), service.endpoints.end(),
                                                    *session->second.backend) == service.endpoints.end());
    if (by_hash || backend) {
      sessions_[key].backend = backend;
    }
    sessions_[key].seen = now_;
  }
  if (by_hash && backend) {
    hashed_[tuple] = {versions_.at(service.frontend), *backend};
  }
}

// ---- the tables ----

void PlaneModel::forget() {
  answered_.clear();
  unanswered_.clear();
  sessions_.clear();
  datagrams_.clear();
}

void PlaneModel::evict(const Tuple& arrival) {
  for (Table* table : {&answered_, &unanswered_}) {
    if (table->erase(arrival) != 0) {
      return;
    }
  }
}

std::vector<Tuple> PlaneModel::entries() const {
  std::vector<Tuple> all;
  for (const Table* table : {&answered_, &unanswered_}) {
    for (const auto& [arrival, side] : *table) {
      if (is_alive(*side.flow)) {
        all.push_back(arrival);
      }
    }
  }
  return all;
}

std::string PlaneModel::describe(const Tuple& arrival) const {
  std::string text;
  for (const Table* table : {&answered_, &unanswered_}) {
    if (const auto found = table->find(arrival); found != table->end()) {
      const Flow& flow = *found->second.flow;
      text +=
          fmt::format("{} {} as {}{} ({}; idle {:.0f} s) ",
                      table == &answered_ ? "answered:" : "not answered:", flow.in.text(), flow.out.text(),
                      flow.untouched ? ", untouched" : "", to_string(flow.progress), now_ - flow.seen);
    }
  }
  return text.empty() ? "no flow" : text;
}

bool PlaneModel::still_served(const Flow& flow) const {
  if (flow.in.to == flow.out.to) {
    return true;  // to a backend itself
  }
  const Service* service = find(flow.in.to, flow.in.protocol);
  if (service == nullptr) {
    return false;
  }
  const auto has = [&](const std::vector<Endpoint>& all) {
    return std::find(all.begin(), all.end(), flow.out.to) != all.end();
  };
  return has(service->endpoints) || has(service->terminating);
}

// A packet whose arrival has an entry here; nothing: it has none, or its flow has ended.
std::optional<PlaneModel::Leaves> PlaneModel::meet(Table& table, const Tuple& tuple,
                                                   const Segment& segment) {
  const auto mine = table.find(tuple);
  if (mine == table.end()) {
    return std::nullopt;
  }
  const auto [flow, sender, acknowledged] = mine->second;
  const bool is_tcp = tuple.protocol == tcp;
  const bool answered = &table == &answered_;
  const bool from_backend = sender == End::backend;
  const Tuple way = from_backend ? flow->in.reversed() : flow->out;
  const Tuple other_arrival = from_backend ? flow->in : flow->out.reversed();
  const auto other = table.find(other_arrival);
  const bool own = other != table.end() && other->second.flow == flow;
  const bool others = other != table.end() && !own;
  const auto asked_for = own ? other->second.acknowledged : std::nullopt;  // of this packet's sender

  bool alive = is_alive(*flow);
  if (alive && answered && from_backend && others) {
    return Leaves{flow->untouched ? Fate::untouched : Fate::translated, way,
                  "its client goes elsewhere by now"};
  }
  alive = alive && !(others && !from_backend);
  const bool left_alone = is_tcp && flow->progress.open && !settings_.move_gone;
  if (alive && !from_backend && !flow->untouched && !left_alone) {
    alive = still_served(*flow);
  }
  if (!alive) {
    if (own) {
      table.erase(other);
    }
    table.erase(tuple);
    return std::nullopt;
  }
  const bool believed =
      !flow->progress.open || !asked_for || segment.sequence - *asked_for <= believed_window;
  const Progress progress = after(flow->progress, is_tcp, segment, sender, believed);
  const Side mine_now{flow, sender,
                      segment.ack && segment.acknowledged != 0 ? segment.acknowledged : acknowledged};
  const bool first_answer = !answered && from_backend && !segment.rst;
  if (first_answer) {
    const auto open = answered_.find(flow->in);
    if (open != answered_.end() && is_open(open->second.flow->progress) && is_alive(*open->second.flow) &&
        open->second.flow->out != flow->out) {
      return Leaves{flow->untouched ? Fate::untouched : Fate::translated, way,
                    "an open connection has its client's place"};
    }
    if (own) {
      table.erase(other);
    }
    table.erase(tuple);
    answered_[flow->in] = {flow, End::client, asked_for};
    answered_[flow->out.reversed()] = mine_now;
  } else {
    table[tuple] = mine_now;
    if (other == table.end() && (answered || !from_backend)) {
      table[other_arrival] = {flow, from_backend ? End::client : End::backend};
    }
  }
  flow->seen = now_;
  flow->progress = progress;
  return Leaves{flow->untouched ? Fate::untouched : Fate::translated, way, to_string(progress)};
}

// Whether a flow that arrives as `in` may leave as `out`. Flows there that have ended make room.
PlaneModel::Place PlaneModel::place(const Tuple& in, const Tuple& out, const Segment& segment) {
  for (Table* table : {&answered_, &unanswered_}) {
    const auto found = table->find(out.reversed());
    if (found == table->end()) {
      continue;
    }
    const std::shared_ptr<Flow> flow = found->second.flow;
    // Two backends that dial each other from those very ports have one connection.
    const bool crossed = flow->untouched && flow->in == out.reversed() && in == out;
    const bool own =
        crossed || (found->second.sender == End::backend && flow->in == in && flow->out == out);
    const bool renewed = own && segment.opens() && (flow->progress.reset || flow->progress.client_fin);
    if (is_alive(*flow) && !renewed) {
      return !own ? Place::taken : table == &answered_ ? Place::own_answered : Place::own_unanswered;
    }
    table->erase(found);
    if (const auto client = table->find(flow->in);
        own && client != table->end() && client->second.flow == flow) {
      table->erase(client);
    }
  }
  return Place::unoccupied;
}

// A SYN begins its flow anew where the replies' entry was lost; the client's, if that is there, still tells
// of the old one. Which of the two counts depends on whose packet comes next.
bool PlaneModel::is_ambiguous(Place place, const Tuple& in, const Tuple& out,
                              const Segment& segment) const {
  const auto stale = [&](const Table& table) {
    const auto found = table.find(in);
    return found != table.end() && found->second.sender == End::client && found->second.flow->out == out;
  };
  return place == Place::unoccupied && segment.opens() && (stale(answered_) || stale(unanswered_));
}

void PlaneModel::take(Place place, const Tuple& in, const Tuple& out, const Segment& segment,
                      bool untouched) {
  const bool opens = segment.opens();
  if (place == Place::unoccupied) {
    auto flow = std::make_shared<Flow>();
    flow->in = in;
    flow->out = out;
    flow->untouched = untouched;
    flow->progress.midstream = in.protocol == tcp && !opens;
    flow->progress.client_fin = in.protocol == tcp && segment.fin && !opens;
    flow->seen = now_;
    unanswered_[out.reversed()] = {flow, End::backend};
    if (!opens) {
      unanswered_[in] = {flow, End::client};
    }
    return;
  }
  // Its other entry was lost, or is none yet (a SYN's).
  Table& table = place == Place::own_answered ? answered_ : unanswered_;
  const std::shared_ptr<Flow> flow = table.at(out.reversed()).flow;
  flow->seen = now_;
  flow->progress =
      opens ? flow->progress : after(flow->progress, in.protocol == tcp, segment, End::client, false);
  if (&table == &answered_ || !opens) {
    table.try_emplace(in, Side{flow, in == flow->in ? End::client : End::backend});
  }
}

// How much of the port range is taken towards this backend by other flows.
double PlaneModel::taken_share(const Address& source, const Endpoint& backend, std::uint8_t protocol,
                               const Tuple& in) {
  unsigned taken = 0;
  for (unsigned port = settings_.ports.first; port <= settings_.ports.last; ++port) {
    const Tuple out{{source, static_cast<std::uint16_t>(port)}, backend, protocol};
    taken += place(in, out, {}) == Place::taken ? 1 : 0;
  }
  return taken / (settings_.ports.last - settings_.ports.first + 1.0);
}

PlaneModel::Leaves PlaneModel::begin_towards(const Tuple& tuple, const Segment& segment, const Hint& hint,
                                             const Endpoint& backend, const Service* service) {
  const bool direct = service == nullptr;
  const bool masqueraded = !direct && masquerades(*service, tuple.from.address, backend);
  Tuple out{tuple.from, backend, tuple.protocol};
  if (masqueraded) {
    out.from.address = *node(tuple.from.address.family);
  }
  if (tuple.protocol == tcp && (segment.syn || segment.rst) && !segment.opens()) {
    if (direct) {
      return {Fate::untouched, tuple, "of no flow"};
    }
    return masqueraded ? Leaves{Fate::dropped, tuple, "of no flow, and its port is not known"}
                       : Leaves{Fate::translated, out, "of no flow: nothing is remembered"};
  }
  // A SYN after the client's FIN makes the flow forgotten where it meets it, which it may or may not do on
  // its way to another port.
  const auto old = std::find_if(answered_.begin(), answered_.end(), [&](const auto& entry) {
    const Flow& flow = *entry.second.flow;
    return segment.opens() && flow.in == tuple && flow.out.to == backend && is_alive(flow) &&
           (flow.progress.reset || flow.progress.client_fin);
  });
  const bool renews = old != answered_.end();
  const std::uint16_t old_port = renews ? old->second.flow->out.from.port : std::uint16_t{0};
  if (!masqueraded) {
    const Place there = place(tuple, out, segment);
    if (is_ambiguous(there, tuple, out, segment)) {
      return {Fate::lost, tuple, "its flow has lost its replies' entry"};
    }
    if (there != Place::taken && hint.dropped) {
      return {Fate::translated, out, "its own port is free"};  // or the plane chose another endpoint
    }
    if (there != Place::taken) {
      take(there, tuple, out, segment, direct);
      return {direct ? Fate::untouched : Fate::translated, out, "begun, or put back"};
    }
  }
  if (hint.dropped) {
    if (taken_share(out.from.address, backend, tuple.protocol, tuple) < full_share) {
      return {Fate::translated, out, "there are free ports"};
    }
    return renews ? Leaves{Fate::lost, tuple, "whether the old flow was met does not show"}
                  : Leaves{Fate::dropped, tuple, "no port is free"};
  }
  if (!hint.as) {
    return {Fate::lost, tuple, "its port does not show"};
  }
  out.from.port = hint.as->from.port;
  if (renews && out.from.port != old_port) {
    return {Fate::lost, tuple, "whether the old flow was met does not show"};
  }
  if (!in_range(out.from.port)) {
    out.from.port = settings_.ports.first;
    return {Fate::translated, out, "any free port of the range"};
  }
  const Place there = place(tuple, out, segment);
  if (there == Place::taken) {
    out.from.port = 0;
    return {Fate::translated, out, "the port is another flow's"};
  }
  if (is_ambiguous(there, tuple, out, segment)) {
    return {Fate::lost, tuple, "its flow has lost its replies' entry"};
  }
  take(there, tuple, out, segment, false);
  return {Fate::translated, out, "begun, or put back, by a port of the range"};
}

PlaneModel::Leaves PlaneModel::begin(const Tuple& tuple, const Segment& segment, const Hint& hint) {
  const Service* service = find(tuple.to, tuple.protocol);
  if (service == nullptr) {
    return is_backend(tuple.to) ? begin_towards(tuple, segment, hint, tuple.to, nullptr)
                                : Leaves{Fate::untouched, tuple, "no service"};
  }
  if (service->endpoints.empty()) {
    return {Fate::refused, tuple, "no endpoint"};
  }
  const std::vector<Endpoint> possible = choices(*service, tuple);
  std::optional<Endpoint> backend;
  if (possible.size() == 1) {
    backend = possible.front();
  } else if (hint.as) {
    const bool legal = std::find(possible.begin(), possible.end(), hint.as->to) != possible.end();
    backend = legal ? hint.as->to : possible.front();
  }
  const bool remembered = tuple.protocol != tcp || segment.opens() || (!segment.syn && !segment.rst);
  if (backend || hint.dropped) {
    if (remembered) {
      chosen(*service, tuple, backend);
    }
    if (backend) {
      return begin_towards(tuple, segment, hint, *backend, service);
    }
    // Which it would have been is not known: one that may be dropped will do.
    Leaves leaves;
    std::vector<Tuple> passed;
    for (const Endpoint& endpoint : possible) {
      leaves = begin_towards(tuple, segment, hint, endpoint, service);
      if (leaves.fate == Fate::dropped) {
        return leaves;
      }
      passed.push_back(leaves.as);
    }
    if (!remembered) {
      leaves.or_as = std::move(passed);
    }
    return leaves;
  }
  return {Fate::lost, tuple, "its endpoint does not show"};
}

PlaneModel::Leaves PlaneModel::track(const Tuple& tuple, const Segment& segment, const Hint& hint) {
  if (!segment.opens()) {
    for (Table* table : {&answered_, &unanswered_}) {
      if (const auto leaves = meet(*table, tuple, segment)) {
        return *leaves;
      }
    }
  }
  return begin(tuple, segment, hint);
}

// ---- packets ----

std::optional<Bytes> PlaneModel::translated_error(const Bytes& frame, const Headers& headers) const {
  const Tuple reply = headers.tuple.reversed();
  for (const Table* table : {&answered_, &unanswered_}) {
    const auto found = table->find(reply);
    if (found == table->end() || !is_alive(*found->second.flow)) {
      continue;
    }
    const Flow& flow = *found->second.flow;
    if (flow.untouched) {
      break;
    }
    return error_about(frame, headers,
                       found->second.sender == End::backend ? flow.in : flow.out.reversed());
  }
  return std::nullopt;
}

Expected PlaneModel::of_error(const Bytes& frame, const Headers& headers, const Seen& seen) {
  const auto made = translated_error(frame, headers);
  return made ? forwarded(frame, *made, true, seen, "an error about a flow")
              : Expected{Verdict::pass, frame, "an error about no flow"};
}

// An error is made, and sent, if it may be.
Expected PlaneModel::answered(std::optional<Bytes> error, const std::string& why) const {
  return error && may_be_sent(*error) ? Expected{Verdict::sent, *error, why}
                                      : Expected{Verdict::drop, {}, why + ", which may not be answered"};
}

Expected PlaneModel::refused(const Bytes& frame, const Service& service) const {
  const bool elsewhere = service.local_only && !service.cluster_endpoints.empty();
  return elsewhere || !settings_.ways ? Expected{Verdict::drop, {}, "no endpoint"}
                                      : answered(complaint_about(frame, {}), "no endpoint");
}

Expected PlaneModel::forwarded(const Bytes& came, Bytes made, bool is_error, const Seen& seen,
                               const std::string& why) const {
  if (!settings_.ways) {
    return {Verdict::pass, std::move(made), why};
  }
  const Leaving leaves = leaving(made);
  const Route route = settings_.ways->route(leaves.to);
  if (leaves.hops <= 1 || route.kind == Route::Kind::none ||
      (route.kind == Route::Kind::unknown && seen.verdict == Verdict::pass)) {
    return {Verdict::pass, std::move(made), why + ": to the kernel"};
  }
  if (leaves.size <= route.mtu) {
    return {Verdict::sent, hopped(std::move(made), settings_.ways->device, settings_.ways->router), why};
  }
  if (leaves.may_be_fragmented) {
    return {Verdict::pass, std::move(made), why + ": too large, the kernel fragments it"};
  }
  if (is_error) {
    return {Verdict::drop, {}, why + ": too large, and an error"};
  }
  if (settings_.dsr) {
    const std::uint32_t wrapping = leaves.to.family == Family::ipv4 ? 20 : 40;
    return answered(complaint_about(came, {true, route.mtu - wrapping}), why + ": too large");
  }
  // About the packet as it leaves; it becomes one about that which came, like any error.
  std::optional<Bytes> error = complaint_about(made, {true, route.mtu});
  if (error) {
    const Headers headers = read(*error);
    error = headers.shape == Shape::error ? translated_error(*error, headers) : std::nullopt;
  }
  return answered(error, why + ": too large");
}

// Whether a frame that is too large for some way would be dropped for that.
bool PlaneModel::unanswerable(const Bytes& frame, const Headers& headers) const {
  const std::optional<Bytes> error = complaint_about(frame, {true, 0});
  return settings_.ways && leaving(frame).size > least_mtu &&
         (headers.shape != Shape::whole || !error || !may_be_sent(*error));
}

// The ports of a later fragment's datagram.
std::optional<Tuple> PlaneModel::of_datagram(const Headers& headers) const {
  const Tuple name{{headers.tuple.from.address, 0}, {headers.tuple.to.address, 0}, headers.tuple.protocol};
  const auto known = datagrams_.find({name, headers.datagram});
  if (known == datagrams_.end() || now_ - known->second.seen > settings_.timeouts.fragments) {
    return std::nullopt;
  }
  return Tuple{{name.from.address, known->second.from}, {name.to.address, known->second.to}, name.protocol};
}

Expected PlaneModel::packet(const Bytes& frame, const Seen& seen) {
  const Headers headers = read(frame);
  if (headers.shape == Shape::other) {
    return {Verdict::pass, frame, "not for the plane"};
  }
  if (settings_.dsr) {
    return direct_return(frame, headers, seen);
  }
  if (headers.shape == Shape::wrapped_error) {
    return {Verdict::pass, frame, "not for the plane"};
  }
  if (headers.shape == Shape::error) {
    return of_error(frame, headers, seen);
  }
  Headers arrival = headers;
  if (headers.shape == Shape::later_fragment) {
    const auto known = of_datagram(headers);
    if (!known) {
      return {Verdict::pass, frame, "its first fragment was not seen"};
    }
    arrival.tuple = *known;
  }
  Hint hint{.dropped = seen.verdict == Verdict::drop, .as = {}};
  if (hint.dropped && unanswerable(frame, headers)) {
    return {Verdict::drop, {}, "why it was dropped does not show", true};
  }
  if (const Headers out = read(seen.bytes);
      !hint.dropped && out.shape == headers.shape && headers.shape != Shape::later_fragment) {
    hint.as = out.tuple;
  }
  const Leaves leaves = track(arrival.tuple, headers.segment, hint);
  switch (leaves.fate) {
    case Fate::untouched:
      return {Verdict::pass, frame, leaves.why};
    case Fate::dropped:
      return {Verdict::drop, {}, leaves.why};
    case Fate::refused:
      return refused(frame, *find(arrival.tuple.to, arrival.tuple.protocol));
    case Fate::lost:
      return {Verdict::pass, frame, leaves.why, true};
    case Fate::translated:
      break;
  }
  if (headers.shape == Shape::first_fragment) {
    const Tuple name{
        {headers.tuple.from.address, 0}, {headers.tuple.to.address, 0}, headers.tuple.protocol};
    datagrams_[{name, headers.datagram}] = {arrival.tuple.from.port, arrival.tuple.to.port, now_};
  }
  const auto leaving_as = [&](const Tuple& as) {
    return forwarded(frame, rewritten(frame, headers, as), false, seen, leaves.why + ": as " + as.text());
  };
  for (const Tuple& other : leaves.or_as) {
    if (const Expected dropped = leaving_as(other); dropped.verdict == Verdict::drop) {
      return dropped;
    }
  }
  return leaving_as(leaves.as);
}

// ---- direct server return ----

// What is remembered here is what a hash falls on, and the ports of datagrams.
Expected PlaneModel::direct_return(const Bytes& frame, const Headers& headers, const Seen& seen) {
  Tuple tuple = headers.tuple;
  if (headers.shape == Shape::wrapped_error) {
    return of_wrapped_error(frame, headers, seen);
  }
  if (headers.shape == Shape::error) {
    tuple = headers.tuple.reversed();  // as the client's packets of that flow come
    const Service* service = find(tuple.to, tuple.protocol);
    return service != nullptr && !service->endpoints.empty() && headers.error_to == tuple.to.address
               ? wrap(frame, tuple, *service, seen)
               : Expected{Verdict::pass, frame, "an error about no flow"};
  }
  if (headers.shape == Shape::later_fragment) {
    const auto known = of_datagram(headers);
    if (!known) {
      return {Verdict::pass, frame, "its first fragment was not seen"};
    }
    tuple = *known;
  }
  const Service* service = find(tuple.to, tuple.protocol);
  if (service == nullptr) {
    return {Verdict::pass, frame, "no service"};
  }
  if (service->endpoints.empty()) {
    return refused(frame, *service);
  }
  if (headers.shape == Shape::first_fragment) {
    const Tuple name{{tuple.from.address, 0}, {tuple.to.address, 0}, tuple.protocol};
    datagrams_[{name, headers.datagram}] = {tuple.from.port, tuple.to.port, now_};
  }
  return wrap(frame, tuple, *service, seen);
}

bool PlaneModel::is_wrap_source(const Address& address) const {
  const auto& all = settings_.wrap_sources;
  return std::any_of(all.begin(), all.end(), [&](const WrapSource& source) {
    if (source.address.family != address.family) {
      return false;
    }
    const unsigned all_bits = address.family == Family::ipv4 ? 32 : 128;
    for (unsigned bit = 0; bit < all_bits - source.bits; ++bit) {
      const unsigned mask = 0x80U >> bit % 8;
      if (((address.bytes.at(bit / 8) ^ source.address.bytes.at(bit / 8)) & mask) != 0) {
        return false;
      }
    }
    return true;
  });
}

// To the backend of the flow, which the outer header of what was seen names, from the flow's own source.
Expected PlaneModel::wrap(const Bytes& frame, const Tuple& tuple, const Service& service,
                          const Seen& seen) {
  const Family family = tuple.to.address.family;
  const bool four = family == Family::ipv4;
  const std::size_t size = four ? 20 : 40;
  std::vector<Endpoint> possible = service.endpoints;
  const auto known = hashed_.find(tuple);
  if (known != hashed_.end() && known->second.first == versions_.at(service.frontend)) {
    possible = {known->second.second};
  }
  Endpoint backend = possible.front();
  Address from;
  from.family = family;
  for (const WrapSource& source : settings_.wrap_sources) {
    from = source.address.family == family ? source.address : from;
  }
  if (const auto source = wrap_sources_.find(tuple); source != wrap_sources_.end()) {
    from = source->second;
  }
  if (seen.bytes.size() == frame.size() + size) {
    const Address to = read_address(seen.bytes, 14 + (four ? 16 : 24), family);
    const auto legal = std::find_if(possible.begin(), possible.end(),
                                    [&](const Endpoint& endpoint) { return endpoint.address == to; });
    backend = legal == possible.end() ? possible.front() : *legal;
    hashed_[tuple] = {versions_.at(service.frontend), backend};
    const Address source = read_address(seen.bytes, 14 + (four ? 12 : 8), family);
    if (!wrap_sources_.contains(tuple) && is_wrap_source(source)) {
      wrap_sources_[tuple] = from = source;
    }
  }
  const bool is_error = frame.at(four ? 23 : 20) == (four ? 1 : 58);
  return forwarded(frame, wrapped(frame, family, from, backend.address, seen.bytes), is_error, seen,
                   "wrapped to " + backend.text());
}

Expected PlaneModel::of_wrapped_error(const Bytes& frame, const Headers& headers, const Seen& seen) {
  if (headers.wrapped_from != headers.error_to || !is_wrap_source(headers.wrapped_from) ||
      !is_host(headers.tuple.from.address) || find(headers.tuple.to, headers.tuple.protocol) == nullptr) {
    return {Verdict::pass, frame, "an error about nothing that was wrapped here"};
  }
  return forwarded(frame, unwrapped_error(frame, headers), true, seen, "an error about what was wrapped");
}

}  // namespace svcbench::model
