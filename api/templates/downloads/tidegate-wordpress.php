<?php
/**
 * Plugin Name: Tidegate
 * Description: Lets Tidegate moderate the comments of this blog through the Akismet plugin. Put this file into wp-content/mu-plugins.
 * Version: %VERSION%
 * License: Apache-2.0
 *
 * It holds no secret: the key is entered in the settings of the Akismet plugin, where Akismet's own would stand.
 */

namespace Tidegate;

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

const ADDRESS = '%ADDRESS%';
const ID      = 'tidegate_id';      // Tidegate's id of a comment.
const SAID    = 'tidegate_said';    // What was decided about it, in a few words.
const UNSENT  = 'tidegate_unsent';  // What a moderator did here, until Tidegate has heard of it.
const RESEND  = 'tidegate_resend';
const PATIENCE = 8;                 // Seconds for an answer; Tidegate itself answers a check within one.

/** What Tidegate answered about the comment that this request is about. */
final class Answer {
	public static $clear = false;
	public static $id    = '';
	public static $said  = '';
	public static $wait  = false;

	public static function forget() {
		self::$clear = false;
		self::$id    = '';
		self::$said  = '';
	}
}

/* ---- Akismet's client asks us. ---------------------------------------------------------------------------------- */

add_filter( 'pre_http_request', __NAMESPACE__ . '\\redirect', 10, 3 );

/** Send to Tidegate what the Akismet plugin sends to Akismet. */
function redirect( $before, $request, $url ) {
	$parts = wp_parse_url( $url );
	$host  = isset( $parts['host'] ) ? strtolower( $parts['host'] ) : '';
	if ( 'rest.akismet.com' !== $host && '.rest.akismet.com' !== substr( $host, -17 ) ) {
		return $before;
	}
	$path = isset( $parts['path'] ) ? $parts['path'] : '/';
	$to   = ADDRESS . $path . ( isset( $parts['query'] ) ? '?' . $parts['query'] : '' );
	$key  = 'rest.akismet.com' === $host ? '' : strtok( $host, '.' );
	if ( '' !== $key ) {
		$to = add_query_arg( 'api_key', $key, $to );
	}
	if ( isset( $request['headers'] ) && is_array( $request['headers'] ) ) {
		unset( $request['headers']['Host'], $request['headers']['host'] );
	}
	$request['timeout'] = PATIENCE;
	$answer             = wp_remote_request( $to, $request );
	if ( '/comment-check' === substr( $path, -14 ) ) {
		remember( $answer );
		wp_parse_str( isset( $request['body'] ) && is_string( $request['body'] ) ? $request['body'] : '', $sent );
		// A comment that is here already, and asked about again because Tidegate was down.
		if ( ! empty( $sent['comment_ID'] ) ) {
			Answer::$wait = ! Answer::$clear;
			keep( (int) $sent['comment_ID'] );
			if ( ! is_wp_error( $answer ) && 'held' === trim( wp_remote_retrieve_body( $answer ) ) ) {
				// Asked often enough: it stays pending until Tidegate publishes it, and the next one has its turn.
				$answer['body'] = 'false';
			}
		}
	}
	return $answer;
}

/** Remember what the answer to a check says; anything but a clear "publish" is none. */
function remember( $answer ) {
	Answer::forget();
	if ( is_wp_error( $answer ) || 200 !== wp_remote_retrieve_response_code( $answer ) ) {
		return;
	}
	$held          = wp_remote_retrieve_header( $answer, 'x-akismet-error' );
	Answer::$clear = 'false' === trim( wp_remote_retrieve_body( $answer ) ) && '' === (string) $held;
	Answer::$id    = sanitize_key( wp_remote_retrieve_header( $answer, 'x-akismet-guid' ) );
	Answer::$said  = sanitize_text_field( wp_remote_retrieve_header( $answer, 'x-tidegate-decision' ) );
}

/* ---- Nothing is published unread. ------------------------------------------------------------------------------- */

add_filter( 'pre_comment_approved', __NAMESPACE__ . '\\hold', 100, 1 );

/** Hold what would be published without Tidegate's word: it is down, or the Akismet plugin is off or has no key. */
function hold( $approved ) {
	if ( is_wp_error( $approved ) || '1' !== (string) $approved || current_user_can( 'moderate_comments' ) ) {
		return $approved;
	}
	return Answer::$clear ? $approved : 0;
}

add_filter( 'pre_option_comment_moderation', __NAMESPACE__ . '\\wait' );

/** Let nothing be published by asking again that a person has to read: it is as if every comment were moderated by hand. */
function wait( $before ) {
	return Answer::$wait ? '1' : $before;
}

add_action( 'wp_insert_comment', __NAMESPACE__ . '\\keep', 20, 1 );

/** Keep Tidegate's id and word with the new comment. */
function keep( $comment_id ) {
	if ( '' !== Answer::$id ) {
		update_comment_meta( $comment_id, ID, Answer::$id );
		update_comment_meta( $comment_id, SAID, Answer::$said );
	}
	Answer::forget();
}

/* ---- Tidegate finds its comments by its own id. ----------------------------------------------------------------- */

add_action( 'init', __NAMESPACE__ . '\\describe' );

/** Show id and word over REST to those who moderate, and let them write the word. */
function describe() {
	foreach ( array( ID, SAID ) as $name ) {
		register_meta(
			'comment',
			$name,
			array(
				'type'              => 'string',
				'single'            => true,
				'sanitize_callback' => 'sanitize_text_field',
				'auth_callback'     => __NAMESPACE__ . '\\may_moderate',
				'show_in_rest'      => array( 'schema' => array( 'context' => array( 'edit' ) ) ),
			)
		);
	}
}

function may_moderate() {
	return current_user_can( 'moderate_comments' );
}

add_filter( 'rest_comment_query', __NAMESPACE__ . '\\find', 10, 2 );

/** Answer the question for some of Tidegate's ids. */
function find( $query, $request ) {
	if ( ! empty( $request['tidegate_id'] ) && is_string( $request['tidegate_id'] ) && may_moderate() ) {
		$query['meta_query'] = array(
			array(
				'key'     => ID,
				'value'   => array_map( 'sanitize_key', explode( ',', $request['tidegate_id'] ) ),
				'compare' => 'IN',
			),
		);
	}
	return $query;
}

/* ---- What moderators do here is told to Tidegate. --------------------------------------------------------------- */

add_action( 'transition_comment_status', __NAMESPACE__ . '\\moderated', 20, 3 );

/** Tell of a status that a moderator set in WordPress. */
function moderated( $new, $old, $comment ) {
	$words = array( 'approved' => 'approved', 'unapproved' => 'hold', 'spam' => 'spam', 'trash' => 'trash' );
	if ( $new === $old || ! isset( $words[ $new ] ) || ! may_moderate() || ( defined( 'WP_IMPORTING' ) && WP_IMPORTING ) ) {
		return;
	}
	$told = array( 'status' => $words[ $new ], 'reporter' => wp_get_current_user()->user_login );
	if ( ! tell( $comment, $told ) ) {
		update_comment_meta( $comment->comment_ID, UNSENT, $told );
		if ( ! wp_next_scheduled( RESEND ) ) {
			wp_schedule_single_event( time() + 300, RESEND );
		}
	}
}

add_action( RESEND, __NAMESPACE__ . '\\resend' );

/** Tell again what could not be told; later again, while there is something left. */
function resend() {
	$waiting = get_comments( array( 'meta_key' => UNSENT, 'status' => 'any', 'number' => 100 ) );
	foreach ( $waiting as $comment ) {
		if ( ! tell( $comment, get_comment_meta( $comment->comment_ID, UNSENT, true ) ) ) {
			wp_schedule_single_event( time() + 300, RESEND );
			return;
		}
		delete_comment_meta( $comment->comment_ID, UNSENT );
	}
	if ( 100 === count( $waiting ) ) {
		wp_schedule_single_event( time() + 10, RESEND );
	}
}

/** Send a moderator's decision; true when Tidegate has it, or knows nothing of such a comment. */
function tell( $comment, $told ) {
	$key = is_callable( array( 'Akismet', 'get_api_key' ) ) ? \Akismet::get_api_key() : '';
	if ( ! $key || ! is_array( $told ) ) {
		return true;
	}
	$answer = wp_remote_post(
		ADDRESS . '/wordpress/moderated',
		array(
			'timeout' => PATIENCE,
			'body'    => array(
				'api_key'              => $key,
				'blog'                 => get_option( 'home' ),
				'comment_ID'           => $comment->comment_ID,
				'tidegate_id'          => (string) get_comment_meta( $comment->comment_ID, ID, true ),
				'permalink'            => get_permalink( $comment->comment_post_ID ),
				'comment_author'       => $comment->comment_author,
				'comment_author_email' => $comment->comment_author_email,
				'comment_author_url'   => $comment->comment_author_url,
				'comment_content'      => $comment->comment_content,
				'user_ip'              => $comment->comment_author_IP,
				'status'               => $told['status'],
				'reporter'             => $told['reporter'],
			),
		)
	);
	$code = is_wp_error( $answer ) ? 0 : wp_remote_retrieve_response_code( $answer );
	return 200 === $code || 404 === $code;
}

/* ---- The key is Tidegate's alone. ------------------------------------------------------------------------------- */

add_action( 'admin_init', __NAMESPACE__ . '\\no_frames' );

/** Show no figures of Akismet's on the Akismet plugin's page: it puts the key into the address of their frame. */
function no_frames() {
	if ( isset( $_GET['page'] ) && 'akismet-key-config' === $_GET['page'] ) {
		header( "Content-Security-Policy: frame-src 'none'" );
	}
}

/* ---- What moderators see. --------------------------------------------------------------------------------------- */

add_filter( 'manage_edit-comments_columns', __NAMESPACE__ . '\\column' );

function column( $columns ) {
	return $columns + array( 'tidegate' => 'Tidegate' );
}

add_action( 'manage_comments_custom_column', __NAMESPACE__ . '\\cell', 10, 2 );

function cell( $column, $comment_id ) {
	if ( 'tidegate' === $column ) {
		$said = get_comment_meta( $comment_id, SAID, true );
		echo esc_html( '' === $said ? '-' : $said );
	}
}

add_action( 'admin_notices', __NAMESPACE__ . '\\notice' );

/** Say what is missing, on the page where moderators would wonder. */
function notice() {
	$screen = get_current_screen();
	if ( ! $screen || ! in_array( $screen->base, array( 'edit-comments', 'dashboard', 'plugins' ), true ) || ! may_moderate() ) {
		return;
	}
	$ready = is_callable( array( 'Akismet', 'get_api_key' ) ) && \Akismet::get_api_key();
	if ( ! $ready ) {
		echo '<div class="notice notice-warning"><p>Tidegate: switch the Akismet plugin on and enter the key that '
			. '<code>tidegate key add --kind door</code> printed. Until then every comment waits for a person.</p></div>';
	}
}
