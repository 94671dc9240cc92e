/* A stand-in for Micromamba: it writes down how it was called, and lays down files.

   The folder STANDIN says what it does:
     calls.jsonl    arguments and environment of each call are added to it, as JSON
     base/          what "create" copies to the prefix
     packages/      what "install" copies there
     COMMAND.fail   its text is printed and the exit status is 1
     COMMAND.die    half of the files are copied, then the exit status is 3
     COMMAND.hang   half of the files are copied, then it waits for ever
   COMMAND is create, install, clean or env. "env export" lists the files in conda-meta/.
   Like the real one it copies a package's record in conda-meta/ after the package's files, and
   does not create where something is. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef _WIN32
#include <windows.h>
#include <shellapi.h>
#define SEPARATOR '\\'

static wchar_t *wide(const char *text) {
    int size = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
    wchar_t *result = calloc(size, sizeof *result);
    MultiByteToWideChar(CP_UTF8, 0, text, -1, result, size);
    return result;
}

static char *narrow(const wchar_t *text) {
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *result = calloc(size, 1);
    WideCharToMultiByte(CP_UTF8, 0, text, -1, result, size, NULL, NULL);
    return result;
}

static char *variable(const char *name) {
    const wchar_t *value = _wgetenv(wide(name));
    return value ? narrow(value) : NULL;
}

static FILE *open_file(const char *path, const wchar_t *mode) { return _wfopen(wide(path), mode); }
static int make_folder(const char *path) { return !CreateDirectoryW(wide(path), NULL); }
static void pause_for_ever(void) { Sleep(INFINITE); }
#define MODE(text) L##text
#define DIRECTORY _WDIR
#define ENTRY struct _wdirent
#define open_folder(path) _wopendir(wide(path))
#define read_folder _wreaddir
#define close_folder _wclosedir
#define entry_name(entry) narrow((entry)->d_name)
#else
#include <unistd.h>
extern char **environ;
#define SEPARATOR '/'
static char *variable(const char *name) { return getenv(name); }
static FILE *open_file(const char *path, const char *mode) { return fopen(path, mode); }
static int make_folder(const char *path) { return mkdir(path, 0777); }
static void pause_for_ever(void) { for (;;) pause(); }
#define MODE(text) text
#define DIRECTORY DIR
#define ENTRY struct dirent
#define open_folder opendir
#define read_folder readdir
#define close_folder closedir
#define entry_name(entry) strdup((entry)->d_name)
#endif

static char *joined(const char *folder, const char *name) {
    char *result = malloc(strlen(folder) + strlen(name) + 2);
    sprintf(result, "%s%c%s", folder, SEPARATOR, name);
    return result;
}

static char **found;
static size_t count;

/* Collect the files below a folder, relative to it; "prefix" is the part already walked. */
static void walk(const char *root, const char *prefix) {
    DIRECTORY *folder = open_folder(*prefix ? joined(root, prefix) : root);
    if (!folder) {
        if (*prefix) {
            found = realloc(found, (count + 1) * sizeof *found);
            found[count++] = strdup(prefix);
        }
        return;
    }
    for (ENTRY *entry; (entry = read_folder(folder));) {
        char *name = entry_name(entry);
        if (strcmp(name, ".") && strcmp(name, "..")) walk(root, *prefix ? joined(prefix, name) : name);
    }
    close_folder(folder);
}

static int records_last(const void *one, const void *other) {
    const char *a = *(char *const *)one, *b = *(char *const *)other;
    int difference = !strncmp(a, "conda-meta", 10) - !strncmp(b, "conda-meta", 10);
    return difference ? difference : strcmp(a, b);
}

static void copy(const char *from, const char *to) {
    char *folder = strdup(to);
    for (char *at = folder; *at; at++) {
        if (*at == SEPARATOR && at > folder) {
            *at = 0;
            make_folder(folder);
            *at = SEPARATOR;
        }
    }
    FILE *in = open_file(from, MODE("rb")), *out = open_file(to, MODE("wb"));
    static char buffer[1 << 16];
    if (!in || !out) {
        fprintf(stderr, "critical libmamba %s cannot be copied to %s\n", from, to);
        exit(1);
    }
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, in));) fwrite(buffer, 1, got, out);
    fclose(in);
    fclose(out);
}

static void json(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = *text;
        if (c == '"' || c == '\\') fprintf(out, "\\%c", c);
        else if (c < 32) fprintf(out, "\\u%04x", c);
        else fputc(c, out);
    }
    fputc('"', out);
}

static void write_down(const char *standin, int argc, char **argv) {
    FILE *out = open_file(joined(standin, "calls.jsonl"), MODE("ab"));
    fprintf(out, "{\"arguments\": [");
    for (int i = 1; i < argc; i++) {
        if (i > 1) fprintf(out, ", ");
        json(out, argv[i]);
    }
    fprintf(out, "], \"environment\": [");
#ifdef _WIN32
    int first = 1;
    for (wchar_t *at = GetEnvironmentStringsW(); *at; at += wcslen(at) + 1) {
        if (!first) fprintf(out, ", ");
        json(out, narrow(at));
        first = 0;
    }
#else
    for (char **at = environ; *at; at++) {
        if (at > environ) fprintf(out, ", ");
        json(out, *at);
    }
#endif
    fprintf(out, "]}\n");
    fclose(out);
}

static const char *option(int argc, char **argv, const char *name) {
    for (int i = 1; i + 1 < argc; i++) {
        if (!strcmp(argv[i], name)) return argv[i + 1];
    }
    return NULL;
}

static int has(int argc, char **argv, const char *name) {
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], name)) return 1;
    }
    return 0;
}

static void list_packages(const char *prefix, int addresses) {
    puts("warning  libmamba a message that is no part of the list");
    if (addresses) puts("# platform: win-64\n@EXPLICIT");
    else puts("name:\nchannels:\n- conda-forge\ndependencies:");
    walk(joined(prefix, "conda-meta"), "");
    qsort(found, count, sizeof *found, records_last);
    for (size_t i = 0; i < count; i++) {
        char *end = strstr(found[i], ".json");
        if (!end) continue;
        *end = 0;
        if (addresses) printf("https://channel.invalid/win-64/%s.conda#0123\n", found[i]);
        else printf("- %s\n", found[i]);
    }
}

static int run(int argc, char **argv) {
    const char *standin = variable("STANDIN"), *command = argc > 1 ? argv[1] : "";
    if (!standin) {
        fprintf(stderr, "the stand-in wants a folder in STANDIN\n");
        return 2;
    }
    write_down(standin, argc, argv);
    char name[64];
    snprintf(name, sizeof name, "%s.fail", command);
    FILE *fail = open_file(joined(standin, name), MODE("rb"));
    if (fail) {
        for (int c; (c = fgetc(fail)) != EOF;) putchar(c);
        return 1;
    }
    const char *prefix = option(argc, argv, "--prefix");
    if (!strcmp(command, "env")) {
        list_packages(prefix, has(argc, argv, "--explicit"));
        return 0;
    }
    if (strcmp(command, "create") && strcmp(command, "install")) return 0;
    int create = !strcmp(command, "create");
    if (create && open_folder(prefix)) {
        fprintf(stderr, "critical libmamba Non-conda folder exists at prefix - aborting.\n");
        return 1;
    }
    const char *from = joined(standin, create ? "base" : "packages");
    walk(from, "");
    qsort(found, count, sizeof *found, records_last);
    snprintf(name, sizeof name, "%s.die", command);
    FILE *die = open_file(joined(standin, name), MODE("rb"));
    snprintf(name, sizeof name, "%s.hang", command);
    FILE *hang = open_file(joined(standin, name), MODE("rb"));
    for (size_t i = 0; i < (die || hang ? count / 2 : count); i++) {
        copy(joined(from, found[i]), joined(prefix, found[i]));
    }
    puts("  Package  Version\n\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500");
    printf("Linking %u files\n", (unsigned)count);
    fflush(stdout);
    if (hang) pause_for_ever();
    return die ? 3 : 0;
}

int main(int argc, char **argv) {
#ifdef _WIN32
    int words;
    wchar_t **given = CommandLineToArgvW(GetCommandLineW(), &words);
    argv = calloc(words, sizeof *argv);
    for (argc = 0; argc < words; argc++) argv[argc] = narrow(given[argc]);
#endif
    return run(argc, argv);
}
