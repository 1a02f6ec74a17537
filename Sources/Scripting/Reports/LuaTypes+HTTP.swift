extension LuaTypes {
  static let http = """
    ---@class Request
    ---@field url string http or https
    ---@field method? string GET where left out
    ---@field query? table<string, string|number|boolean|(string|number|boolean)[]> added to the URL, sorted by name
    ---@field headers? table<string, string|number|Sealed>
    ---@field body? string|Sealed
    ---@field json? any the body as JSON; secrets in it are opened
    ---@field form? table<string, string|number|Sealed> the body as a form
    ---@field file? string the body is this file in the plugin's own folder
    ---@field into? string the answer's body goes to this file in the plugin's own folder
    ---@field socket? string Unix socket to connect to; needs `socket:PATH` instead of `http:HOST`
    ---@field timeout? number seconds in all; 30 where left out, none for lines and chunks
    ---@field stall? number seconds without a byte
    ---@field limit? integer bytes of the answer; 16 MiB where left out
    ---@field cut? boolean leave away what is more; a failure where left out
    ---@field user? string|Sealed for Basic authentication, with `password`
    ---@field password? string|Sealed
    ---@field bearer? string|Sealed a token
    ---@field tls? RequestTLS
    ---@field aws? RequestAWS sign it as AWS wants it (SigV4)

    ---PEM texts, or paths of such files (these need `read:PATH`).
    ---@class RequestTLS
    ---@field ca? string|Sealed authorities to trust instead of the system's
    ---@field cert? string|Sealed the client's certificate
    ---@field key? string|Sealed and its key, without a password
    ---@field ca_file? string
    ---@field cert_file? string
    ---@field key_file? string
    ---@field server_name? string whom the server's certificate is for, where it is not the URL's host
    ---@field insecure? boolean take any certificate

    ---Paths of services other than S3 must need no percent-coding; a query in `url` must be sorted.
    ---@class RequestAWS
    ---@field region string
    ---@field service string such as "s3"
    ---@field key string access key id
    ---@field secret string
    ---@field token? string of a session

    ---@class Answer
    ---@field status integer any status is an answer; redirects are not followed
    ---@field headers table<string, string> names in lower case
    ---@field body? string
    ---@field size? integer bytes that went to the file of `into`
    ---@field cut? boolean
    ---@field ended? "eof"|"stopped" of lines and chunks

    ---Sends a request. Needs `http:HOST`, or `socket:PATH`. A failure says by its `retry` whether the request may have had
    ---an effect. (waits, raises)
    ---@class host.http
    ---@overload fun(request: Request): Answer?, Failure?
    host.http = {}
    ---Gives a 2xx answer line by line as it comes, until `each` returns false; `body` is there for any other. (waits, raises)
    ---@param request Request
    ---@param each fun(line: string): boolean?
    ---@return Answer?
    ---@return Failure?
    function host.http.lines(request, each) end
    ---As `lines`, in pieces as they come.
    ---@param request Request
    ---@param each fun(bytes: string): boolean?
    ---@return Answer?
    ---@return Failure?
    function host.http.chunks(request, each) end


    """
}
