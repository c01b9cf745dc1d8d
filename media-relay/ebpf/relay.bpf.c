/* The media relay's fast path: forwards settled RTP streams in the kernel, before sockets.
 *
 * Attached to the ingress of an interface (TCX). A packet that belongs to a direction of a stream is
 * rewritten, noted and sent out; everything else goes on as if this program were not there, to the
 * relay's sockets or to whoever it is for. That is also what becomes of whatever user space has to
 * see: RTCP, STUN, DTLS, other sources than the stream's, odd headers, fragments, options, VLANs,
 * and events (RFC 4733) where they are converted or kept back.
 *
 * Nothing is measured here. Each forwarded packet leaves a note (what a receiver would know of it
 * and when it came) in its stream's ring; user space reads the notes and does the arithmetic, the
 * same as for packets that it forwards itself. A full ring sends packets to user space too.
 *
 * It uses only what the kernel promises to keep (the UAPI of __sk_buff and of the helpers), so that
 * one object runs on every kernel from 6.6 on, and no header of the build host, so that the object
 * is the same wherever it is made. Structures here have their twins in src/fast_path/layout.rs.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

/* linux/bpf.h */
struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto;
	u32 priority, ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid;
	u32 data, data_end;
	u32 napi_id, family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4];
	u32 remote_port, local_port, data_meta;
	u64 flow_keys;
	u64 tstamp;
	u32 wire_len, gso_segs;
	u64 sk;
	u32 gso_size;
};

/* struct bpf_redir_neigh */
struct next_hop {
	u32 family;
	u8 address[16];
};

enum { BPF_MAP_TYPE_ARRAY = 2, BPF_F_MMAPABLE = 1 << 10 };
enum { BPF_F_PSEUDO_HDR = 1 << 4, BPF_F_MARK_MANGLED_0 = 1 << 5 };
enum { TCX_NEXT = -1 };

static void *(*const map_lookup_elem)(void *map, const void *key) = (void *)1;
static u64 (*const ktime_get_ns)(void) = (void *)5;
static long (*const l4_csum_replace)(struct __sk_buff *, u32 offset, u64 from, u64 to, u64 flags) =
	(void *)11;
static long (*const skb_pull_data)(struct __sk_buff *, u32 len) = (void *)39;
static long (*const redirect_neigh)(u32 ifindex, struct next_hop *, int size, u64 flags) =
	(void *)152;

/* Network byte order, made at compile time. */
#define NET16(value) ((u16)__builtin_bswap16(value))

enum { PACKET_HOST = 0, IPPROTO_UDP = 17, AF_INET = 2, AF_INET6 = 10 };
enum { ETH_LENGTH = 14, IPV4_LENGTH = 20, IPV6_LENGTH = 40, UDP_LENGTH = 8, RTP_LENGTH = 12 };
/* Of IPv6 (RFC 8200 section 5); no link that carries calls has less. */
enum { LEAST_MTU = 1280 };
enum { HEADERS = ETH_LENGTH + IPV6_LENGTH + UDP_LENGTH + RTP_LENGTH };
/* RFC 1122 3.2.1.7 and what Linux gives its own packets. */
enum { HOP_LIMIT = 64 };

struct ethernet {
	u8 destination[6], source[6];
	u16 protocol;
};

struct ipv4 {
	u8 version_length, tos;
	u16 total_length, identification, fragment;
	u8 ttl, protocol;
	u16 checksum;
	u32 source, destination;
};

struct ipv6 {
	u8 version_class, class_flow;
	u16 flow;
	u16 payload_length;
	u8 next_header, hop_limit;
	u32 source[4], destination[4];
};

struct udp {
	u16 source, destination, length, checksum;
};

struct rtp {
	u8 first, second;
	u16 sequence;
	u32 timestamp, ssrc;
};

/* What user space learns of a forwarded packet, besides the source that its slot is for. Each half is
 * written at once and says which note it is of, so that one that is not whole yet is known without
 * a barrier, which would have this processor wait for the line. */
struct note {
	/* From the low bits up: timestamp (32 bits), sequence number (16), number plus one (16). */
	u64 position;
	/* From the low bits up: arrival (32 bits), length of the UDP payload in octets (16), payload
	 * type and marker (8), number plus one (8). The arrival is CLOCK_MONOTONIC in units of 1,024 ns,
	 * and wraps within 73 minutes. */
	u64 arrival;
};

/* Notes in a ring, and how many of them stay free for packets that other processors handle between
 * the look and the taking. */
enum { NOTES = 64, MARGIN = 8 };

struct ring {
	struct note notes[NOTES];
};

/* A port of the relay, and the direction of a stream that comes to it: where its packets come from
 * and to, what becomes of them, and how many notes were taken. Addresses (of IPv4) and ports in network
 * byte order. User space writes what stands before `ring` only while that is 0, and has been for long
 * enough that no packet is on its way through; but for tail.
 *
 * What a packet needs of all this is one cache line here and one of the ring, and it waits for the
 * first alone. */
struct slot {
	u32 source, local, new_source, new_destination;
	u32 next_hop;
	u16 source_port, new_source_port, new_destination_port;
	u8 tos;
	/* The payload type that is left to the sockets; 255, which no packet has, for none. */
	u8 withheld;
	u32 ssrc;
	/* By how much the addresses, and the ports, change the UDP checksum. */
	u32 addresses_difference, ports_difference;
	u32 ifindex;
	u32 next_hop_family;
	/* Notes taken by packets, notes read by user space; both wrap. */
	u32 head, tail;
	/* The number of the ring, plus one; 0 while packets to this port are the sockets'. */
	u32 ring;
	/* User space's own: whose this is. */
	u32 owner;
};

/* The addresses of one of IPv6. */
struct wide {
	u32 source[4], local[4];
	u32 new_source[4], new_destination[4];
	u32 next_hop[4];
	u32 reserved[12];
};

_Static_assert(sizeof(struct slot) == 64 && sizeof(struct wide) == 128, "whole cache lines");
_Static_assert(sizeof(struct note) == 16, "a cache line has four");

enum { PORTS = 1 << 16 };

/* By family and local port: half for IPv4, half for IPv6. An index that leads from ports to fewer
 * slots, or a hash, would have each packet wait for one or two cache lines more. Two addresses of a
 * family cannot both have the same port here; the second has to do without. */
struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*map_flags)[BPF_F_MMAPABLE];
	int (*max_entries)[2 * PORTS];
	u32 *key;
	struct slot *value;
} slots SECTION(".maps");

/* Of the slot that names the ring with the same number. */
struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*map_flags)[BPF_F_MMAPABLE];
	int (*max_entries)[1];
	u32 *key;
	struct wide *value;
} wides SECTION(".maps");

struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*map_flags)[BPF_F_MMAPABLE];
	int (*max_entries)[1];
	u32 *key;
	struct ring *value;
} rings SECTION(".maps");

/* The slot of a port in network byte order, and the number of its ring; null while it has none. */
INLINE struct slot *find(u16 port, u32 first, u32 *ring)
{
	u32 index = first + __builtin_bswap16(port);
	struct slot *slot = map_lookup_elem(&slots, &index);
	if (!slot)
		return 0;
	/* Once: user space may take it away at any moment. */
	u64 number = *(volatile u32 *)&slot->ring;
	if (!number)
		return 0;
	*ring = number - 1;
	/* The rest was written before `ring`, and is to be read after it: an address that depends on
	 * what was read is all that this takes, on every processor. */
	asm volatile("%0 &= 0" : "+r"(number));
	return (void *)slot + number;
}

INLINE int is_plain_rtp(const struct rtp *rtp)
{
	/* Version 2 without padding, extension and contributing sources; RTCP's types are 64 to 95
	 * here (RFC 5761 section 4). */
	u8 type = rtp->second & 0x7f;
	return rtp->first == 0x80 && (type < 64 || type > 95);
}

INLINE int take_note(struct slot *slot, u32 number_of_ring, const struct rtp *rtp, u32 length)
{
	struct ring *ring = map_lookup_elem(&rings, &number_of_ring);
	if (!ring || slot->head - slot->tail >= NOTES - MARGIN)
		return 0;
	u64 number = __sync_fetch_and_add(&slot->head, 1);
	/* Only one of each is stored, whatever the compiler would like. */
	volatile struct note *note = &ring->notes[number & (NOTES - 1)];
	number++;
	note->position = number << 48 | (u64)__builtin_bswap16(rtp->sequence) << 32 |
			 __builtin_bswap32(rtp->timestamp);
	note->arrival = number << 56 | (u64)rtp->second << 48 | (u64)(u16)length << 32 |
			(u32)(ktime_get_ns() >> 10);
	return 1;
}

/* The checks that both families share, behind the IP header, and the note. */
INLINE int admit(struct slot *slot, u32 ring, const struct udp *udp, u32 ip_payload)
{
	u32 length = NET16(udp->length);
	if (length != ip_payload || length < UDP_LENGTH + RTP_LENGTH)
		return 0;
	const struct rtp *rtp = (const void *)(udp + 1);
	return udp->source == slot->source_port && is_plain_rtp(rtp) && rtp->ssrc == slot->ssrc &&
	       (rtp->second & 0x7f) != slot->withheld && take_note(slot, ring, rtp, length - UDP_LENGTH);
}

INLINE int send(struct __sk_buff *skb, struct slot *slot, struct next_hop *hop, u32 checksum_at,
		int has_checksum)
{
	if (has_checksum) {
		u64 flags = BPF_F_MARK_MANGLED_0;
		l4_csum_replace(skb, checksum_at, 0, slot->addresses_difference,
				flags | BPF_F_PSEUDO_HDR);
		l4_csum_replace(skb, checksum_at, 0, slot->ports_difference, flags);
	}
	hop->family = slot->next_hop_family;
	return redirect_neigh(slot->ifindex, hop, sizeof(*hop), 0);
}

/* What packets of a direction all get in the octets that are no addresses. */
INLINE void rewrite_ipv4(struct ipv4 *ip, const struct slot *slot)
{
	u16 *class = (void *)&ip->version_length, *life = (void *)&ip->ttl;
	u16 new_class = 0x45 | slot->tos << 8, new_life = HOP_LIMIT | IPPROTO_UDP << 8;
	/* RFC 1624, equation 3. To add up the header as it stands after the stores would have to wait
	 * until these, and those of the note before them, have reached the cache; and it would make a
	 * right checksum of a wrong one. */
	u32 sum = (u16)~ip->checksum + (u16)~*class + new_class + (u16)~*life + new_life;
	sum += slot->addresses_difference;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*class = new_class;
	*life = new_life;
	ip->checksum = ~sum;
	ip->source = slot->new_source;
	ip->destination = slot->new_destination;
}

INLINE int forward_ipv4(struct __sk_buff *skb, void *data, void *end)
{
	struct ipv4 *ip = data + ETH_LENGTH;
	struct udp *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) + RTP_LENGTH > end)
		return TCX_NEXT;
	/* No options, no fragment. */
	if (ip->version_length != 0x45 || ip->protocol != IPPROTO_UDP ||
	    ip->fragment & NET16(0x3fff))
		return TCX_NEXT;
	u32 ring;
	struct slot *slot = find(udp->destination, 0, &ring);
	if (!slot || ip->destination != slot->local || ip->source != slot->source)
		return TCX_NEXT;
	if (!admit(slot, ring, udp, NET16(ip->total_length) - IPV4_LENGTH))
		return TCX_NEXT;
	rewrite_ipv4(ip, slot);
	udp->source = slot->new_source_port;
	udp->destination = slot->new_destination_port;
	/* 0 means none (RFC 768). */
	int has_checksum = udp->checksum != 0;
	struct next_hop hop = { 0 };
	if (slot->next_hop_family == AF_INET) {
		__builtin_memcpy(hop.address, &slot->next_hop, sizeof(slot->next_hop));
	} else {
		/* A gateway of IPv6 (RFC 8950). */
		struct wide *wide = map_lookup_elem(&wides, &ring);
		if (wide)
			__builtin_memcpy(hop.address, wide->next_hop, sizeof(hop.address));
	}
	return send(skb, slot, &hop, ETH_LENGTH + IPV4_LENGTH + 6, has_checksum);
}

INLINE int is_same(const u32 *one, const u32 *other)
{
	return one[0] == other[0] && one[1] == other[1] && one[2] == other[2] && one[3] == other[3];
}

INLINE int forward_ipv6(struct __sk_buff *skb, void *data, void *end)
{
	struct ipv6 *ip = data + ETH_LENGTH;
	struct udp *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) + RTP_LENGTH > end)
		return TCX_NEXT;
	/* No extension headers, so no fragment either. */
	if (ip->next_header != IPPROTO_UDP || udp->checksum == 0)
		return TCX_NEXT;
	u32 ring;
	struct slot *slot = find(udp->destination, PORTS, &ring);
	if (!slot)
		return TCX_NEXT;
	struct wide *wide = map_lookup_elem(&wides, &ring);
	if (!wide || !is_same(ip->destination, wide->local) ||
	    !is_same(ip->source, wide->source))
		return TCX_NEXT;
	if (!admit(slot, ring, udp, NET16(ip->payload_length)))
		return TCX_NEXT;
	__builtin_memcpy(ip->source, wide->new_source, sizeof(ip->source));
	__builtin_memcpy(ip->destination, wide->new_destination, sizeof(ip->destination));
	/* Traffic class over two octets, flow label 0: ours, and we label no flows (RFC 6437). */
	ip->version_class = 0x60 | slot->tos >> 4;
	ip->class_flow = slot->tos << 4;
	ip->flow = 0;
	ip->hop_limit = HOP_LIMIT;
	udp->source = slot->new_source_port;
	udp->destination = slot->new_destination_port;
	struct next_hop hop = { 0 };
	__builtin_memcpy(hop.address, wide->next_hop, sizeof(hop.address));
	return send(skb, slot, &hop, ETH_LENGTH + IPV6_LENGTH + 6, 1);
}

SECTION("classifier")
int relay(struct __sk_buff *skb)
{
	/* For others, tagged, several datagrams in one, or perhaps too long for the way out, where the
	 * sockets' packets would be cut in fragments. */
	if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size ||
	    skb->len > ETH_LENGTH + LEAST_MTU)
		return TCX_NEXT;
	u32 protocol = skb->protocol;
	if (protocol != NET16(0x0800) && protocol != NET16(0x86dd))
		return TCX_NEXT;
	/* Brings the headers into the linear part, where they nearly always are. */
	u32 headers = skb->len < HEADERS ? skb->len : HEADERS;
	if ((void *)(u64)skb->data + headers > (void *)(u64)skb->data_end)
		skb_pull_data(skb, headers);
	void *data = (void *)(u64)skb->data;
	void *end = (void *)(u64)skb->data_end;
	if (protocol == NET16(0x0800))
		return forward_ipv4(skb, data, end);
	return forward_ipv6(skb, data, end);
}

/* No helper here asks for the GPL. */
char terms[] SECTION("license") = "Apache-2.0";
