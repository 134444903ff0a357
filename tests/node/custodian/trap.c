/* A PKCS#11 module that passes everything on to a real one, but for what a file tells it to do.
   STRONGROOM_TRAP_MODULE: the real one. STRONGROOM_TRAP: a file whose first word is "hang", "crash"
   or "gone" and whose second is "sign" or "login"; read at every such call. Who hangs says so in a
   file beside it, FILE.hung. At a login it prints the PIN, as a careless vendor's module might. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ulong_t;
struct list { unsigned char version[2]; void *f[68]; };
enum { LOGIN = 18, SIGN = 43 };
static struct list ours, *theirs;

static ulong_t trap(const char *call) {
  char what[16] = "", where[16] = "";
  const char *path = getenv("STRONGROOM_TRAP");
  FILE *file = path ? fopen(path, "r") : NULL;
  if (!file) return 0;
  if (fscanf(file, "%15s %15s", what, where) != 2) what[0] = 0;
  fclose(file);
  if (strcmp(where, call)) return 0;
  if (!strcmp(what, "hang")) {
    char sprung[4096];
    snprintf(sprung, sizeof sprung, "%s.hung", path);
    file = fopen(sprung, "w");
    if (file) fclose(file);
    for (;;) pause();
  }
  if (!strcmp(what, "crash")) abort();
  if (!strcmp(what, "gone")) { unlink(path); return 0x30; /* CKR_DEVICE_ERROR, once */ }
  return 0;
}

static ulong_t login(ulong_t s, ulong_t user, unsigned char *pin, ulong_t size) {
  printf("login with %.*s\n", (int)size, pin); fflush(stdout);
  fprintf(stderr, "login with %.*s\n", (int)size, pin);
  ulong_t said = trap("login");
  return said ? said : ((ulong_t (*)(ulong_t, ulong_t, unsigned char *, ulong_t))theirs->f[LOGIN])(s, user, pin, size);
}

static ulong_t sign(ulong_t s, void *data, ulong_t size, void *out, ulong_t *out_size) {
  ulong_t said = trap("sign");
  return said ? said : ((ulong_t (*)(ulong_t, void *, ulong_t, void *, ulong_t *))theirs->f[SIGN])(s, data, size, out, out_size);
}

ulong_t C_GetFunctionList(struct list **out) {
  void *library = dlopen(getenv("STRONGROOM_TRAP_MODULE"), RTLD_NOW | RTLD_LOCAL);
  if (!library) return 5;
  ulong_t (*get)(struct list **) = (ulong_t (*)(struct list **))dlsym(library, "C_GetFunctionList");
  ulong_t said = get(&theirs);
  if (said) return said;
  ours = *theirs;
  ours.f[LOGIN] = (void *)login;
  ours.f[SIGN] = (void *)sign;
  *out = &ours;
  return 0;
}
