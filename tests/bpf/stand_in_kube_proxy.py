#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A stand-in for kube-proxy, for tests of what runs one: it lists and watches as kube-proxy does, writes an
nftables table of that shape, and logs its syncs. How it misbehaves is the environment's STAND_IN: "hang",
"exit", "deaf" (it never looks at events), "silent" (it says nothing of its syncs), "heavy" (a tool that it runs holds 60 MB
for half a second). Where STAND_IN_RULES names a
folder, it only loads the rules there, once: "nftables", or "iptables-jumps" and "iptables-rules"."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

MISBEHAVIOUR = os.environ.get("STAND_IN", "")
RULES = os.environ.get("STAND_IN_RULES", "")
PATHS = {"services": "/api/v1/services", "slices": "/apis/discovery.k8s.io/v1/endpointslices"}

METRIC = "kubeproxy_sync_proxy_rules_duration_seconds"
account = {"sum": 0.0, "count": 0}


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        body = "".join(f"{METRIC}_{name} {value}\n" for name, value in account.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


objects = {name: {} for name in PATHS}
changed = threading.Condition()
generation = 0


def key_of(thing):
    return thing["metadata"].get("namespace", "") + "/" + thing["metadata"]["name"]


def watch(server, name):
    global generation
    with urllib.request.urlopen(server + PATHS[name] + "?limit=500&resourceVersion=0") as answer:
        listed = json.load(answer)
    with changed:
        objects[name] = {key_of(item): item for item in listed["items"]}
        generation += 1
        changed.notify_all()
    version = listed["metadata"]["resourceVersion"]
    with urllib.request.urlopen(server + PATHS[name] + "?watch=true&resourceVersion=" + version) as events:
        for line in events:
            event = json.loads(line)
            with changed:
                if event["type"] == "DELETED":
                    objects[name].pop(key_of(event["object"]), None)
                else:
                    objects[name][key_of(event["object"])] = event["object"]
                generation += 1
                changed.notify_all()


def endpoints_of(service, port):
    for piece in objects["slices"].values():
        labels = piece["metadata"]["labels"]
        if labels["kubernetes.io/service-name"] == service["metadata"]["name"] and \
                piece["metadata"]["namespace"] == service["metadata"]["namespace"]:
            for own in piece["ports"]:
                if own["name"] == port["name"]:
                    for endpoint in piece["endpoints"]:
                        yield endpoint["addresses"][0], own["port"]


def table():
    out = ["add table ip kube-proxy", "delete table ip kube-proxy", "table ip kube-proxy {"]
    chains, elements, refused = [], [], []
    for number, service in enumerate(objects["services"].values()):
        for port in service["spec"]["ports"]:
            key = f'{service["spec"]["clusterIP"]} . {port["protocol"].lower()} . {port["port"]}'
            ends = list(endpoints_of(service, port))
            if not ends:
                refused.append(f"{key} : goto reject-chain")
                continue
            name = f'service-{number}-{port["name"] or "p"}'
            targets = []
            for at, (address, to) in enumerate(ends):
                chains.append(f'  chain endpoint-{name}-{at} {{ meta l4proto {port["protocol"].lower()} '
                              f"dnat to {address}:{to}; }}")
                targets.append(f"{at} : goto endpoint-{name}-{at}")
            chains.append(f'  chain {name} {{ numgen random mod {len(ends)} vmap {{ {", ".join(targets)} }}; }}')
            elements.append(f"{key} : goto {name}")
    out += ["  chain reject-chain { reject; }"] + chains
    for name, held in (("service-ips", elements), ("no-endpoint-services", refused)):
        out.append(f"  map {name} {{ type ipv4_addr . inet_proto . inet_service : verdict;")
        out.append("    elements = { " + ", ".join(held) + " }; }" if held else "  }")
    out += ["  chain services { ip daddr . meta l4proto . th dport vmap @service-ips;",
            "    ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }",
            "  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }", "}"]
    return "\n".join(out) + "\n"


def load_rules(mode):
    if mode == "nftables":
        subprocess.run(["nft", "-f", f"{RULES}/nftables"], check=True)
        return
    for part in ("jumps", "rules"):
        with open(f"{RULES}/iptables-{part}") as text:
            subprocess.run(["iptables-restore", "--noflush"], stdin=text, check=True)


def main():
    if "--version" in sys.argv:
        print("Kubernetes v1.30.0-stand-in")
        return 0
    config = open("/dev/stdin").read()
    mode = "nftables" if "mode: nftables" in config else "iptables"
    if RULES:
        load_rules(mode)
        print('I1129 proxier.go:1] "SyncProxyRules complete" elapsed="1ms"', file=sys.stderr, flush=True)
        time.sleep(3600)
    assert mode == "nftables", config
    server = next(word.split("=", 1)[1] for word in sys.argv if word.startswith("--master="))
    if MISBEHAVIOUR == "exit":
        print("E1129 proxier.go:1] cannot go on", file=sys.stderr)
        return 3
    if MISBEHAVIOUR == "hang":
        print("I1129 server.go:1] hanging", file=sys.stderr, flush=True)
        time.sleep(3600)
    port = int(config.split("metricsBindAddress: 127.0.0.1:")[1].split()[0])
    threading.Thread(target=HTTPServer(("127.0.0.1", port), Metrics).serve_forever, daemon=True).start()
    for name in PATHS:
        threading.Thread(target=watch, args=(server, name), daemon=True).start()
    done = 0
    while True:
        with changed:
            changed.wait_for(lambda: generation > max(done, 1))
            done = generation
            begun = time.monotonic()
            text = table()
        if MISBEHAVIOUR == "deaf" and done > 2:
            continue
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
        if MISBEHAVIOUR == "heavy":
            subprocess.run(["sh", "-c", "(head -c 60000000 /dev/zero; sleep 0.5) | tail >/dev/null"], check=True)
        account["sum"] += time.monotonic() - begun
        account["count"] += 1
        if MISBEHAVIOUR != "silent":
            print(f'I1129 proxier.go:1] "SyncProxyRules complete" elapsed="{(time.monotonic() - begun) * 1e3:.3f}ms"',
                  file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
