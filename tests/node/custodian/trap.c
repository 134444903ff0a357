/* A PKCS#11 module that passes everything on to a real one, but for what a file tells it to do.
   STRONGROOM_TRAP_MODULE: the real one. STRONGROOM_TRAP: a file whose first word is "hang", "crash",
   "gone" or "child" and whose second is one of the calls below; read at every such call. Who hangs
   says so in a file beside it, FILE.hung; "child" hangs too, and leaves a process of the module's
   own, whose number is in that file. At a login it prints the PIN, as a careless vendor's module
   might. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ulong_t;
struct list { unsigned char version[2]; void *f[68]; };
static struct list ours, *theirs;

static ulong_t trap(const char *call) {
  char what[16] = "", where[16] = "";
  const char *path = getenv("STRONGROOM_TRAP");
  FILE *file = path ? fopen(path, "r") : NULL;
  if (!file) return 0;
  if (fscanf(file, "%15s %15s", what, where) != 2) what[0] = 0;
  fclose(file);
  if (strcmp(where, call)) return 0;
  if (!strcmp(what, "hang") || !strcmp(what, "child")) {
    char sprung[4096];
    int own = strcmp(what, "child") ? 0 : fork();
    snprintf(sprung, sizeof sprung, "%s.hung", path);
    file = own || strcmp(what, "child") ? fopen(sprung, "w") : NULL;
    if (file) { fprintf(file, "%d", own); fclose(file); }
    for (;;) pause();
  }
  if (!strcmp(what, "crash")) abort();
  if (!strcmp(what, "gone")) { unlink(path); return 0x30; /* CKR_DEVICE_ERROR, once */ }
  return 0;
}

typedef ulong_t call_t(ulong_t, ulong_t, ulong_t, ulong_t, ulong_t, ulong_t, ulong_t, ulong_t);
/* Every call takes at most eight words; those that it does not take are passed on unread. */
#define TRAP(name, place) \
  static ulong_t name(ulong_t a, ulong_t b, ulong_t c, ulong_t d, ulong_t e, ulong_t f, ulong_t g, ulong_t h) { \
    ulong_t said; \
    if (place == 18) { printf("login with %.*s\n", (int)d, (char *)c); fflush(stdout); \
                       fprintf(stderr, "login with %.*s\n", (int)d, (char *)c); } \
    said = trap(#name); \
    return said ? said : ((call_t *)theirs->f[place])(a, b, c, d, e, f, g, h); }
#define CALLS TRAP(initialize, 0) TRAP(slots, 4) TRAP(open, 12) TRAP(login, 18) TRAP(destroy, 22) \
  TRAP(attribute, 24) TRAP(find, 26) TRAP(signinit, 42) TRAP(sign, 43) TRAP(generate, 58) \
  TRAP(pair, 59) TRAP(wrap, 60) TRAP(derive, 62)
CALLS
#undef TRAP
#define TRAP(name, place) ours.f[place] = (void *)name;

ulong_t C_GetFunctionList(struct list **out) {
  void *library = dlopen(getenv("STRONGROOM_TRAP_MODULE"), RTLD_NOW | RTLD_LOCAL);
  if (!library) return 5;
  ulong_t (*get)(struct list **) = (ulong_t (*)(struct list **))dlsym(library, "C_GetFunctionList");
  ulong_t said = get(&theirs);
  if (said) return said;
  ours = *theirs;
  CALLS
  *out = &ours;
  return 0;
}
