// Memory: a singly linked list in random order, sorted by merge and walked, n
// times over. Dependent loads, pointer stores, hardly any arithmetic.
#include "kernel.h"

enum { NODES = 4096 };
typedef struct node {
  struct node *next;
  u32 value;
} node;
static node pool[NODES];

static node *merge(node *a, node *b) {
  node head, *tail = &head;
  while (a && b) {
    if (a->value <= b->value) {
      tail->next = a;
      a = a->next;
    } else {
      tail->next = b;
      b = b->next;
    }
    tail = tail->next;
  }
  tail->next = a ? a : b;
  return head.next;
}

// Bottom-up merge sort: bins[i] holds a sorted list of 2^i nodes, or nothing.
static node *sort(node *l) {
  node *bins[16];
  for (int i = 0; i < 16; i++)
    bins[i] = 0;
  while (l) {
    node *next = l->next;
    l->next = 0;
    int i = 0;
    while (i < 15 && bins[i]) {
      l = merge(bins[i], l);
      bins[i++] = 0;
    }
    bins[i] = l;
    l = next;
  }
  node *all = 0;
  for (int i = 0; i < 16; i++)
    if (bins[i])
      all = all ? merge(bins[i], all) : bins[i];
  return all;
}

EXPORT("run") i64 run(i32 n) {
  u64 seed = 5, sum = MIX_START;
  for (i32 round = 0; round < n; round++) {
    node *head = 0;
    for (int i = 0; i < NODES; i++) {
      pool[i].value = (u32)rng_next(&seed);
      pool[i].next = head;
      head = &pool[i];
    }
    head = sort(head);
    u32 at = 0;
    for (node *p = head; p; p = p->next)
      if ((at++ & 63) == 0)
        sum = mix(sum, p->value);
  }
  return (i64)sum;
}
