/*
 * Pictures of a screen as files: PPM (portable pixmap, "P6") and PNG.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "ui/screendump.h"

#include <fcntl.h>
#include <png.h>

#include "util/error.h"

static void row_to_rgb(const Surface *s, unsigned y, uint8_t *rgb)
{
    const uint32_t *from = s->pixels + (size_t)y * s->width;

    for (unsigned x = 0; x < s->width; x++) {
        rgb[3 * x] = from[x] >> 16;
        rgb[3 * x + 1] = from[x] >> 8;
        rgb[3 * x + 2] = from[x];
    }
}

static bool write_ppm(const Surface *s, FILE *f)
{
    g_autofree uint8_t *rgb = g_malloc(s->width * 3);

    if (fprintf(f, "P6\n%u %u\n255\n", s->width, s->height) < 0) {
        return false;
    }
    for (unsigned y = 0; y < s->height; y++) {
        row_to_rgb(s, y, rgb);
        if (fwrite(rgb, 3, s->width, f) != s->width) {
            return false;
        }
    }
    return true;
}

/* libpng leaves by longjmp(): nothing that is freed here changes in between. */
static bool write_png_rows(png_structp png, png_infop info, const Surface *s,
                           uint8_t *rgb, FILE *f)
{
    if (setjmp(png_jmpbuf(png))) {
        return false;
    }
    png_init_io(png, f);
    png_set_IHDR(png, info, s->width, s->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
                 PNG_FILTER_TYPE_BASE);
    png_set_compression_level(png, 1);
    png_write_info(png, info);
    for (unsigned y = 0; y < s->height; y++) {
        row_to_rgb(s, y, rgb);
        png_write_row(png, rgb);
    }
    png_write_end(png, NULL);
    return true;
}

/* The message comes from errno: libpng's own would go to standard error. */
static void png_quiet(png_structp png, png_const_charp message)
{
    if (errno == 0) {
        errno = EIO;
    }
    png_longjmp(png, 1);
}

static bool write_png(const Surface *s, FILE *f)
{
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, png_quiet, NULL);
    png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
    g_autofree uint8_t *rgb = g_malloc(s->width * 3);
    bool ok = info != NULL && write_png_rows(png, info, s, rgb, f);

    png_destroy_write_struct(&png, &info);
    return ok;
}

bool console_save_picture(Console *con, const char *path, PictureFormat format,
                          GError **errp)
{
    int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666);
    bool ok;
    FILE *f;

    if (fd < 0) {
        error_setf_errno(errp, errno, "failed to open file '%s'", path);
        return false;
    }
    f = fdopen(fd, "wb");
    if (f == NULL) {
        error_setf_errno(errp, errno, "failed to open file '%s'", path);
        close(fd);
        return false;
    }
    console_redraw(con);
    errno = 0;
    ok = format == PICTURE_PNG ? write_png(&con->surface, f)
                               : write_ppm(&con->surface, f);
    if (fclose(f) != 0) {
        ok = false;
    }
    if (!ok) {
        error_setf_errno(errp, errno != 0 ? errno : EIO,
                         "failed to write file '%s'", path);
    }
    return ok;
}
