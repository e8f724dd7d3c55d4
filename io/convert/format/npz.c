/* Members of an .npz, through libzip (npy.h). Sizes come from the zip's directory and are checked against
 * the .npy header and the most that deflate can do before any memory is taken. */
#include "io/convert/format/npy.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <zip.h>

enum { MEMBERS_MOST = 4096, MEMBER_BYTES_MOST = 1 << 30, DEFLATE_MOST = 1032, DEFLATE_SLACK = 64 };

struct un_npz {
    char where[UN_PATH_MAX];
    zip_t *zip;
    int64_t members;
};

#ifdef ZIP_ER_TRUNCATED_ZIP
enum { TRUNCATED = ZIP_ER_TRUNCATED_ZIP };
#else
enum { TRUNCATED = -1 }; /* before libzip 1.11 there is none */
#endif

/* Our own words: those of the library change with its versions. */
static const char *reason(int code) {
    switch (code) {
    case ZIP_ER_CRC: return "damaged: its checksum (CRC) does not match";
    case ZIP_ER_ZLIB: return "damaged: it cannot be inflated";
    case ZIP_ER_EOF: return "cut short";
    case ZIP_ER_READ:
    case ZIP_ER_SEEK: return "cannot be read";
    case ZIP_ER_OPEN: return "cannot be opened";
    case ZIP_ER_NOENT: return "there is no such file";
    case ZIP_ER_MEMORY: return "no memory for it";
    case ZIP_ER_COMPNOTSUPP: return "its compression is not known";
    case ZIP_ER_ENCRNOTSUPP:
    case ZIP_ER_NOPASSWD: return "it is encrypted";
    case ZIP_ER_NOZIP:
    case TRUNCATED: return "not an .npz (no zip archive, or cut short)";
    case ZIP_ER_INCONS: return "damaged: its parts contradict each other, or cut short";
    default: return "damaged";
    }
}

static enum un_status refuse(const char *where, zip_error_t *error) {
    int code = zip_error_code_zip(error);
    enum un_status status = code == ZIP_ER_NOENT || code == ZIP_ER_OPEN || code == ZIP_ER_READ ? UN_IO
                            : code == ZIP_ER_MEMORY                                            ? UN_MEMORY
                                                                                               : UN_DATA;
    int system = zip_error_code_system(error); /* an errno, where the library knows one */
    bool known = status == UN_IO && system > 0;
    return un_fail(status, "%s: %s%s%s", where, reason(code), known ? ": " : "",
                   known ? strerror(system) : "");
}

/* Takes the source. */
static enum un_status open_source(struct un_npz **npz, const char *where, zip_source_t *source,
                                  zip_error_t *error) {
    struct un_npz *z = source ? un_alloc(1, sizeof *z, "an .npz") : NULL;
    if (!source) return refuse(where, error);
    if (!z) {
        zip_source_free(source);
        return UN_MEMORY;
    }
    snprintf(z->where, sizeof z->where, "%s", where);
    z->zip = zip_open_from_source(source, ZIP_RDONLY, error);
    if (!z->zip) {
        enum un_status status = refuse(where, error);
        zip_source_free(source);
        un_free(z);
        return status;
    }
    z->members = zip_get_num_entries(z->zip, 0);
    *npz = z;
    if (z->members >= 0 && z->members <= MEMBERS_MOST) return UN_OK;
    un_npz_close(z);
    *npz = NULL;
    return un_fail(UN_DATA, "%s: more than %d members", where, MEMBERS_MOST);
}

enum un_status un_npz_open(struct un_npz **npz, const char *path) {
    zip_error_t error;
    *npz = NULL;
    zip_error_init(&error);
    enum un_status status = open_source(npz, path, zip_source_file_create(path, 0, -1, &error), &error);
    zip_error_fini(&error);
    return status;
}

enum un_status un_npz_open_memory(struct un_npz **npz, const char *where, const void *data, size_t bytes) {
    zip_error_t error;
    *npz = NULL;
    zip_error_init(&error);
    enum un_status status = open_source(npz, where, zip_source_buffer_create(data, bytes, 0, &error), &error);
    zip_error_fini(&error);
    return status;
}

void un_npz_close(struct un_npz *npz) {
    if (!npz) return;
    zip_discard(npz->zip);
    un_free(npz);
}

int64_t un_npz_members(const struct un_npz *npz) {
    return npz->members;
}

const char *un_npz_name(struct un_npz *npz, int64_t i, char name[64]) {
    const char *full = zip_get_name(npz->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
    size_t length = full ? strlen(full) : 0;
    if (length < 5 || length - 4 >= 64 || strcmp(full + length - 4, ".npy") != 0) return NULL;
    memcpy(name, full, length - 4);
    name[length - 4] = '\0';
    return name;
}

static enum un_status open_member(struct un_npz *npz, const char *name, int64_t i, zip_file_t **file) {
    *file = zip_fopen_index(npz->zip, (zip_uint64_t)i, 0);
    return *file ? UN_OK
                 : un_fail(UN_DATA, "%s: %s: %s", npz->where, name,
                           reason(zip_error_code_zip(zip_get_error(npz->zip))));
}

/* Exactly so many bytes. */
static enum un_status read_bytes(struct un_npz *npz, const char *name, zip_file_t *file, void *out,
                                 int64_t bytes) {
    for (int64_t done = 0; done < bytes;) {
        zip_int64_t got = zip_fread(file, (char *)out + done, (zip_uint64_t)(bytes - done));
        if (got < 0)
            return un_fail(UN_DATA, "%s: %s: %s", npz->where, name,
                           reason(zip_error_code_zip(zip_file_get_error(file))));
        if (got == 0)
            return un_fail(UN_DATA, "%s: %s: cut short after %lld bytes", npz->where, name, (long long)done);
        done += got;
    }
    return UN_OK;
}

static enum un_status find_size(struct un_npz *npz, struct un_npz_member *m) {
    const zip_uint64_t want = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    zip_stat_t st;
    if (zip_stat_index(npz->zip, (zip_uint64_t)m->index, 0, &st) != 0 || (st.valid & want) != want)
        return un_fail(UN_DATA, "%s: %s: its size is not known", npz->where, m->name);
    if (st.comp_method != ZIP_CM_STORE && st.comp_method != ZIP_CM_DEFLATE)
        return un_fail(UN_DATA, "%s: %s: compression %d, neither stored nor deflated", npz->where, m->name,
                       (int)st.comp_method);
    zip_uint64_t most = st.comp_method == ZIP_CM_STORE     ? st.comp_size
                        : st.comp_size > MEMBER_BYTES_MOST ? MEMBER_BYTES_MOST
                                                           : st.comp_size * DEFLATE_MOST + DEFLATE_SLACK;
    if (st.size > MEMBER_BYTES_MOST || st.size > most)
        return un_fail(UN_DATA, "%s: %s: %llu bytes from %llu compressed ones", npz->where, m->name,
                       (unsigned long long)st.size, (unsigned long long)st.comp_size);
    m->bytes = (int64_t)st.size;
    return UN_OK;
}

static enum un_status read_header(struct un_npz *npz, struct un_npz_member *m) {
    unsigned char head[UN_NPY_HEADER_MAX];
    char where[UN_PATH_MAX + 80];
    zip_file_t *file;
    size_t header, first = m->bytes < 128 ? (size_t)m->bytes : 128;
    snprintf(where, sizeof where, "%s: %s", npz->where, m->name);
    UN_TRY(open_member(npz, m->name, m->index, &file));
    enum un_status status = read_bytes(npz, m->name, file, head, (int64_t)first);
    if (status == UN_OK && first == 128) { /* nearly all headers are this long */
        size_t start = head[6] == 1 ? 10 : 12, length = start + (head[8] | (size_t)head[9] << 8);
        size_t more = length > sizeof head ? sizeof head : length;
        if ((int64_t)more > m->bytes) more = (size_t)m->bytes;
        if (more > first) status = read_bytes(npz, m->name, file, head + first, (int64_t)(more - first));
        if (more > first) first = more;
    }
    zip_fclose(file);
    UN_TRY(status);
    UN_TRY(un_npy_header(&m->npy, where, head, first, &header));
    m->head = (int64_t)header;
    if (m->npy.item_bytes > 0 && m->npy.items * m->npy.item_bytes != m->bytes - m->head)
        return un_fail(UN_DATA, "%s: %lld bytes, but its header says %lld items of %lld", where,
                       (long long)(m->bytes - m->head), (long long)m->npy.items,
                       (long long)m->npy.item_bytes);
    return UN_OK;
}

enum un_status un_npz_member(struct un_npz *npz, int64_t i, struct un_npz_member *member) {
    member->index = i;
    if (!un_npz_name(npz, i, member->name))
        return un_fail(UN_DATA, "%s: member %lld is no .npy", npz->where, (long long)i);
    UN_TRY(find_size(npz, member));
    return read_header(npz, member);
}

enum un_status un_npz_read(struct un_npz *npz, const struct un_npz_member *m, void *out) {
    char head[UN_NPY_HEADER_MAX], end;
    zip_file_t *file;
    UN_TRY(open_member(npz, m->name, m->index, &file));
    enum un_status status = read_bytes(npz, m->name, file, head, m->head);
    if (status == UN_OK) status = read_bytes(npz, m->name, file, out, m->bytes - m->head);
    /* the checksum is looked at when the end is read */
    if (status == UN_OK && zip_fread(file, &end, 1) != 0)
        status = un_fail(UN_DATA, "%s: %s: %s", npz->where, m->name,
                         reason(zip_error_code_zip(zip_file_get_error(file))));
    zip_fclose(file);
    return status;
}
