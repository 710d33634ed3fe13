/*
 * Pictures of a screen as files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UI_SCREENDUMP_H
#define UI_SCREENDUMP_H

#include "ui/console.h"

typedef enum PictureFormat { PICTURE_PPM, PICTURE_PNG } PictureFormat;

/*
 * Draws the console and writes it.  A file that was made stays if that fails.
 * Never waits for a reader: a pipe that doesn't take all of it is an error.
 */
bool console_save_picture(Console *con, const char *path, PictureFormat format,
                          GError **errp);

#endif
